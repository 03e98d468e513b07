use remotecall::remote;

struct Object;

#[remote]
impl Object {
    #[remote(client_id)]
    fn set_client_id(&mut self, id: &str) -> bool {
        id.is_empty()
    }
}

fn main() {}
