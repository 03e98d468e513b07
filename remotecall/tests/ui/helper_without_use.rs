use remotecall::{CallContext, remote};

struct Object;

#[remote]
impl Object {
    #[remote(skip)]
    pub fn local(&self, #[default(1)] x: i64) -> i64 {
        x
    }

    fn private(&self, #[ctx] cx: &CallContext<'_>) -> i64 {
        cx.time_ns
    }
}

fn main() {}
