use remotecall::remote;

struct Object;

#[remote(server = Name)]
impl Object {
    pub fn get(&self) {}
}

fn main() {}
