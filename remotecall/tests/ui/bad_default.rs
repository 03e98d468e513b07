use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn empty(&self, #[default] x: i64, #[default = 3] y: i64) -> i64 {
        x + y
    }

    pub fn of_self(&self, #[default(self.empty(1, 2))] x: i64) -> i64 {
        x
    }
}

fn main() {}
