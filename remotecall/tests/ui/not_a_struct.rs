use remotecall::remote;

trait Object {}

#[remote]
impl dyn Object {
    pub fn get(&self) {}
}

fn main() {}
