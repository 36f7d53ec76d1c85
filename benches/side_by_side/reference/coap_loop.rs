//! coap-loop: what notifications cost when nothing is done with them. One thread reads a blocking
//! socket, decodes each datagram by coap-lite, and counts.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::spawn;
use std::time::Duration;

use coap_lite::{CoapOption, CoapRequest, MessageType, ObserveOption, Packet, RequestType};

use super::limit_batch::{Hub, accept};
use crate::Result;
use crate::client::coap::RESOURCES;

/// The longest wait for the answer to a registration.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(devices: &[SocketAddr]) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut buffer = [0; 2048];
    socket.set_read_timeout(Some(PATIENCE))?;
    for (number, device) in devices.iter().enumerate() {
        for resource in 0..RESOURCES {
            socket.send_to(&registration(number, resource)?, device)?;
            socket.recv_from(&mut buffer)?;
        }
    }
    socket.set_read_timeout(None)?;
    let hub = Arc::new(Hub::default());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("HTTP http://{}", listener.local_addr()?);
    let shared = hub.clone();
    spawn(move || accept(&listener, &shared));
    loop {
        let (length, _) = socket.recv_from(&mut buffer)?;
        let packet = Packet::from_bytes(&buffer[..length])?;
        if packet.header.get_type() == MessageType::NonConfirmable
            && packet.get_option(CoapOption::Observe).is_some()
        {
            hub.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn registration(device: usize, resource: usize) -> Result<Vec<u8>> {
    let mut request = CoapRequest::<SocketAddr>::new();
    request.set_method(RequestType::Get);
    request.set_path(&format!("/r/{resource}"));
    request.set_observe_flag(ObserveOption::Register);
    let number = u16::try_from(device * RESOURCES + resource)?;
    request.message.header.message_id = number;
    request.message.set_token(number.to_be_bytes().to_vec());
    Ok(request.message.to_bytes()?)
}
