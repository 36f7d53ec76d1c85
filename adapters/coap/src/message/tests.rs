use bytes::Bytes;
use proptest::prelude::*;

use super::options::{self, In};
use super::{Code, Kind, Malformed, Message, Options, Token};

fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
    Message::decode(&Bytes::copy_from_slice(bytes))
}

fn refused(kind: Kind) -> Result<Message, Malformed> {
    Err(Malformed::Format { kind, mid: 0x1234 })
}

#[test]
fn a_request_is_read() {
    // GET /a/bc with token 7 and payload "x".
    let message = decode(b"\x41\x01\x12\x34\x07\xb1a\x02bc\xffx").unwrap();
    assert_eq!((message.kind, message.code, message.mid), (Kind::Confirmable, Code::GET, 0x1234));
    assert_eq!(message.token, Token::new(&[7]).unwrap());
    let path: Vec<_> = message.options.all(options::URI_PATH).collect();
    assert_eq!(path, ["a", "bc"]);
    assert_eq!(message.payload, "x");
}

#[test]
fn what_is_not_coap_is_foreign() {
    for bytes in
        [&b""[..], b"\x40\x01\x12", b"\x00\x01\x12\x34", b"\x80\x01\x12\x34", b"\xc0\x01\x12\x34"]
    {
        assert_eq!(decode(bytes), Err(Malformed::Foreign), "{bytes:02x?}");
    }
}

#[test]
fn format_errors_are_refused() {
    let con: [&[u8]; 12] = [
        b"\x49\x01\x12\x34123456789",    // a token of nine bytes
        b"\x4f\x01\x12\x34",             // token length 15
        b"\x44\x01\x12\x34abc",          // a token cut short
        b"\x41\x00\x12\x34a",            // an Empty message with a token
        b"\x40\x00\x12\x34\xffx",        // an Empty message with a payload
        b"\x40\x20\x12\x34",             // the reserved class 1
        b"\x40\xe1\x12\x34",             // class 7 has a meaning over TCP only
        b"\x40\x01\x12\x34\xff",         // a marker without payload
        b"\x40\x01\x12\x34\xf0",         // the reserved delta 15
        b"\x40\x01\x12\x34\x0f",         // the reserved length 15
        b"\x40\x01\x12\x34\xb5abc",      // a value cut short
        b"\x40\x01\x12\x34\xe0\xff\xff", // an option number above 65,535
    ];
    for bytes in con {
        assert_eq!(decode(bytes), refused(Kind::Confirmable), "{bytes:02x?}");
    }
    assert_eq!(decode(b"\x50\x00\x12\x34"), refused(Kind::NonConfirmable));
    assert_eq!(decode(b"\x60\x01\x12\x34"), refused(Kind::Acknowledgement));
    assert_eq!(decode(b"\x70\x45\x12\x34"), refused(Kind::Reset));
}

#[test]
fn options_that_cannot_be_used_are_told_apart() {
    let mut options = Options::default();
    options.add(options::MAX_AGE, &b"12345"[..]);
    options.add(2048, &b"unknown, but elective"[..]);
    assert_eq!(options.recognise(In::Response), Ok(()));
    assert_eq!((options.uint(options::MAX_AGE), options.len()), (None, 1));
    assert_eq!(options.max_age(), 60);

    for number in [9, 19, 31, 2049] {
        let mut options = Options::default();
        options.add(number, Bytes::new());
        assert_eq!(options.recognise(In::Request), Err(number));
    }
    for (number, value) in [(options::ACCEPT, &b"123"[..]), (options::URI_PATH, b"\xff\xfe")] {
        let mut options = Options::default();
        options.add(number, value);
        assert_eq!(options.recognise(In::Request), Err(number));
    }
    let mut twice = Options::default();
    twice.add(options::ACCEPT, &b"\x00"[..]);
    twice.add(options::ACCEPT, &b"\x32"[..]);
    assert_eq!(twice.recognise(In::Request), Err(options::ACCEPT));
    let mut path = Options::default();
    path.add(options::URI_PATH, &b"a"[..]);
    assert_eq!(path.recognise(In::Response), Err(options::URI_PATH));
}

#[test]
fn numbers_take_their_shortest_form() {
    let mut options = Options::default();
    for (value, length) in [(0, 0), (1, 1), (255, 1), (256, 2), (65_536, 3), (u32::MAX, 4)] {
        options.set_uint(options::SIZE1, value);
        assert_eq!(options.get(options::SIZE1).unwrap().len(), length);
        assert_eq!(options.uint(options::SIZE1), Some(value));
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    let option = (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..300));
    proptest::collection::vec(option, 0..12).prop_map(|entries| {
        let mut options = Options::default();
        entries.into_iter().for_each(|(number, value)| options.add(number, value));
        options
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        mid: u16, token in proptest::collection::vec(any::<u8>(), 0..=8),
        options in any_options(), payload in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let message = Message {
            kind: Kind::NonConfirmable, code: Code::CONTENT, mid,
            token: Token::new(&token).unwrap(), options, payload: payload.into(),
        };
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn what_is_read_is_written_as_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(decode(&message.encode()), Ok(message));
        }
    }
}
