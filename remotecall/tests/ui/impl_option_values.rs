use remotecall::remote;

struct Object;

#[remote(client = "Name", environment = PREFIX)]
impl Object {
    pub fn get(&self) {}
}

fn main() {}
