use remotecall::{ClientId, remote};

struct Object;

#[remote]
impl Object {
    #[remote(client_id)]
    fn first(&mut self, _id: &ClientId) {}

    #[remote(client_id)]
    fn second(&mut self, _id: &ClientId) {}
}

fn main() {}
