import PMSystem
import Seeded
import Testing

@Suite struct InternetAddressTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1"), ("::ffff:10.1.2.3", "10.1.2.3"), ("::1", "0:0:0:0:0:0:0:1"),
    ("2001:DB8::a", "2001:db8:0:0:0:0:0:a"), ("255.255.255.255", "255.255.255.255"),
    ("::", "0:0:0:0:0:0:0:0"), ("fe80::1:2", "fe80:0:0:0:0:0:1:2"),
  ])
  func textIsReadAndWritten(_ text: String, _ written: String) {
    let address = InternetAddress(text)
    #expect(address?.text == written)
    #expect(InternetAddress(written) == address)
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:80",
    "[::1]", "::1%lo", "1::2::3", "12345::", "0x7f.0.0.1", "localhost", "1.2.3.4\u{0}x", "::\u{0}",
  ])
  func otherTextIsNoAddress(_ text: String) { #expect(InternetAddress(text) == nil) }

  @Test func aSubscriberIsAnIPv4AddressOrA64Network() {
    #expect(InternetAddress("10.1.2.3")?.subscriber.text == "10.1.2.3")
    #expect(InternetAddress("2001:db8:1:2:3:4:5:6")?.subscriber.text == "2001:db8:1:2:0:0:0:0")
  }

  @Test func loopbackIsAllOf127AndOneOfIPv6() {
    #expect(InternetAddress("127.0.0.1")?.isLoopback == true)
    #expect(InternetAddress("127.255.0.9")?.isLoopback == true)
    #expect(InternetAddress("::1")?.isLoopback == true)
    #expect(InternetAddress("::")?.isLoopback == false)
    #expect(InternetAddress("126.255.255.255")?.isLoopback == false)
    #expect(InternetAddress("7f00::")?.isLoopback == false)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.0", false),
    ("10.9.9.9/8", "10.0.0.1", true), ("192.168.1.7", "192.168.1.7", true),
    ("192.168.1.7", "192.168.1.6", false), ("192.168.1.6/31", "192.168.1.7", true),
    ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "2001:db8::1", false),
    ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
    ("2001:db8::/63", "2001:db8:0:1::", true), ("2001:db8::/64", "2001:db8:0:1::", false),
    ("2001:db8::/65", "2001:db8::7fff:0:0:1", true),
    ("2001:db8::/65", "2001:db8::8000:0:0:0", false), ("::/0", "2001:db8::1", true),
    ("::/0", "10.0.0.1", false), ("::/64", "10.0.0.1", false),
    ("::ffff:10.0.0.0/8", "10.1.2.3", true), ("10.0.0.0/8", "::ffff:10.1.2.3", true),
    ("10.0.0.0/8", "::10.1.2.3", false), ("10.0.0.0/8", "a00::", false),
    ("2001:db8::5/128", "2001:db8::5", true), ("2001:db8::5/128", "2001:db8::4", false),
  ])
  func aNetworkContains(_ network: String, _ address: String, _ isWithin: Bool) throws {
    let network = try #require(InternetNetwork(network))
    let address = try #require(InternetAddress(address))
    #expect(network.contains(address) == isWithin)
    #expect(InternetNetwork(network.text) == network)
  }

  @Test(arguments: [
    "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
    "10.0.0.0/8/8", "::/129", "::ffff:10.0.0.0/104", "10.0.0.0/8\u{0}", "example.org/8",
  ])
  func otherTextIsNoNetwork(_ text: String) { #expect(InternetNetwork(text) == nil) }

  /// A network of n bits holds exactly the addresses whose first n bits are its own.
  @Test func membershipIsAboutTheFirstBits() {
    var random = SeededRandom(seed: 3)
    for bits in 0...128 {
      let (high, low) = (random.next() | 1 << 63, random.next())
      let base = InternetAddress(high: high, low: low)
      guard let network = InternetNetwork("\(base.text)/\(bits)") else {
        Issue.record("/\(bits)")
        return
      }
      for flipped in 0..<128 {
        let other = InternetAddress(
          high: flipped < 64 ? high ^ 1 << UInt64(63 - flipped) : high,
          low: flipped < 64 ? low : low ^ 1 << UInt64(127 - flipped))
        #expect(network.contains(other) == (flipped >= bits), "/\(bits), bit \(flipped)")
      }
    }
  }

  /// The same for IPv4, whichever way network and address are written; and nothing of IPv6 is in.
  @Test func anIPv4NetworkHoldsItsAddressesInBothForms() throws {
    var random = SeededRandom(seed: 5)
    for bits in 0...32 {
      let base = UInt32(truncatingIfNeeded: random.next())
      let prefix = random.next().isMultiple(of: 2) ? "::ffff:" : ""
      let network = try #require(InternetNetwork("\(prefix)\(Self.dotted(base))/\(bits)"))
      for flipped in 0..<32 {
        let other = base ^ 1 << UInt32(31 - flipped)
        for text in [Self.dotted(other), "::ffff:\(Self.dotted(other))"] {
          let address = try #require(InternetAddress(text))
          #expect(network.contains(address) == (flipped >= bits), "/\(bits), bit \(flipped)")
        }
        let stranger = InternetAddress(high: random.next() | 1, low: 0xFFFF << 32 | UInt64(other))
        #expect(!network.contains(stranger))
      }
      #expect(InternetNetwork(network.text) == network)
    }
  }

  private static func dotted(_ word: UInt32) -> String {
    InternetAddress(high: 0, low: 0xFFFF << 32 | UInt64(word)).text
  }
}
