use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub async fn wait(&self) {}

    /// # Safety
    /// None.
    pub unsafe fn poke(&self) {}
}

fn main() {}
