use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn list(&self) -> &[i64] {
        &[]
    }

    pub fn maybe(&self) -> Option<&str> {
        None
    }

    pub fn fallible(&self) -> Result<&i64, String> {
        Err(String::new())
    }
}

fn main() {}
