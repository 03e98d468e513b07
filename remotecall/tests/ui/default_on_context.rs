use remotecall::{CallContext, remote};

struct Object;

#[remote]
impl Object {
    pub fn who(&self, #[ctx] #[default(1)] cx: &CallContext<'_>) -> String {
        cx.client_id.to_string()
    }
}

fn main() {}
