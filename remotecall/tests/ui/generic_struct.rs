use remotecall::remote;

struct Object<T>(T);

#[remote]
impl<T> Object<T> {
    pub fn get(&self) -> i64 {
        0
    }
}

#[remote]
impl Object<String> {
    pub fn set(&self) {}
}

fn main() {}
