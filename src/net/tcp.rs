//! TCP to a server by its name: tries the name's addresses in turn, with a timeout for each step.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Connects to the addresses in turn until `greet` succeeds with one. The stream that `greet` gets has timeouts for reads and
/// writes.
///
/// # Errors
/// The name has no address, or the first error of `greet`, or else that of the last connection.
pub fn dial<T, E: From<String>>(
    host: &str,
    port: u16,
    timeout: Duration,
    mut greet: impl FnMut(TcpStream) -> Result<T, E>,
) -> Result<T, E> {
    let connect = |address| {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok::<_, std::io::Error>(stream)
    };
    let addresses = (host, port).to_socket_addrs().map_err(|error| format!("cannot find host '{host}': {error}"))?;
    // an address that answers and fails later has a better reason than one that does not answer
    let (mut absent, mut failed) = (None, None);
    for address in addresses {
        match connect(address) {
            Ok(stream) => match greet(stream) {
                Ok(greeted) => return Ok(greeted),
                Err(why) => failed = failed.or(Some(why)),
            },
            Err(error) => absent = Some(E::from(error.to_string())),
        }
    }
    Err(failed.or(absent).unwrap_or_else(|| format!("host '{host}' has no address").into()))
}
