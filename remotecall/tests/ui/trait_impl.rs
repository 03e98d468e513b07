use remotecall::remote;

struct Object;

#[remote]
impl Clone for Object {
    fn clone(&self) -> Self {
        Object
    }
}

fn main() {}
