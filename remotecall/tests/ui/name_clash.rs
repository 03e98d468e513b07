use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn connect(&self) {}

    pub fn flush(&mut self) {}

    pub fn new(&self) {}

    pub fn client(&self) {}

    pub fn one_way(&self) {}

    pub fn returning(&self) {}

    pub fn with_client_id(&self) {}
    pub fn with_deadline(&self) {}
}

fn main() {}
