use remotecall::{ClientId, remote};

struct Object;

#[remote]
impl Object {
    #[remote(read)]
    pub fn changes(&mut self) -> i64 {
        0
    }

    #[remote(read)]
    fn private(&self) -> i64 {
        0
    }

    #[remote(read, skip)]
    pub fn local(&self) -> i64 {
        0
    }

    #[remote(read, client_id)]
    fn told(&mut self, _id: &ClientId) {}

    #[remote(read = true)]
    pub fn argued(&self) -> i64 {
        0
    }
}

fn main() {}
