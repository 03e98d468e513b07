use remotecall::remote;

struct Object;

#[remote]
impl Object {
    #[remote(hidden)]
    pub fn secret(&self) {}

    #[remote(skip = true)]
    pub fn other(&self) {}
}

fn main() {}
