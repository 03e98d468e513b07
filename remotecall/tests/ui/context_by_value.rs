use remotecall::{CallContext, remote};

struct Object;

#[remote]
impl Object {
    pub fn who(&self, #[ctx] cx: CallContext<'_>) -> String {
        cx.client_id.to_string()
    }
}

fn main() {}
