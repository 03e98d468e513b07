//! Remote calls of an object of your own, with futures. Run with `cargo run --example own_object`.

use std::error::Error;
use std::time::Duration;

use remotecall::{CallContext, OneWay, RemoteCall, remote};
use tensorplex_examples::Broker;

struct Account {
    balance: i64,
}

#[remote]
impl Account {
    /// Adds to the balance, and returns it.
    pub fn add(&mut self, amount: i64) -> i64 {
        self.balance += amount;
        self.balance
    }

    /// Takes from the balance.
    pub fn take(&mut self, amount: i64) -> Result<i64, String> {
        if amount > self.balance {
            return Err(format!("{amount} wanted, {} there", self.balance));
        }
        self.balance -= amount;
        Ok(self.balance)
    }

    /// Returns the id of the caller.
    pub fn who(&self, #[ctx] cx: &CallContext<'_>) -> String {
        cx.client_id.to_string()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Usually the server is another process on another machine.
    let broker = Broker::start()?;
    let address = broker.address();
    let server = RemoteCall::new(Account { balance: 0 })
        .queue("account")
        .start(&address)?;

    let account = AccountClient::connect(&address, "account", "alice")?;
    let first = account.add(10);
    let second = account.add(5); // sent at once, without waiting for the first
    println!("{} {}", first.get()?, second.get()?);
    println!("{:?}", account.take(100).get_timeout(Duration::from_secs(10)));
    let quiet: AccountClient<OneWay> = account.one_way();
    quiet.add(100); // nothing comes back
    println!("{} {}", account.take(100).get()?, account.who().get()?);

    server.stop()?;
    Ok(())
}
