use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn finish(self) {}

    pub fn boxed(self: Box<Self>) {}
}

fn main() {}
