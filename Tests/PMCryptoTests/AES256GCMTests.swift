import PMCrypto
import PMSystem
import Testing

/// The vectors of the mode's authors for 256-bit keys (McGrew and Viega, test cases 13, 14, 16).
struct AES256GCMTests {
  struct Vector: Sendable {
    var key = String(repeating: "0", count: 64)
    var nonce = String(repeating: "0", count: 24)
    var plain = ""
    var associated = ""
    var sealed: String
  }

  static let vectors = [
    Vector(sealed: "530f8afbc74536b9a963b4f1c4cb738b"),
    Vector(
      plain: String(repeating: "0", count: 32),
      sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    Vector(
      key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      nonce: "cafebabefacedbaddecaf888",
      plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      associated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        + "76fc6ece0f4e1768cddf8853bb2d551b"),
  ]

  private func bytes(_ hex: String) throws -> [UInt8] { try #require(Hex.bytes(hex)) }

  @Test("Published vectors, both ways, with one context used again", arguments: vectors)
  func published(_ vector: Vector) throws {
    let (key, plain) = (try bytes(vector.key), try bytes(vector.plain))
    let (nonce, associated) = (try bytes(vector.nonce), try bytes(vector.associated))
    let cipher = try AES256GCM(key: key.span)
    for _ in 0..<2 {
      var sealed = ByteBuffer()
      cipher.seal(plain.span, nonce: nonce.span, associated: associated.span, into: &sealed)
      #expect(Hex.text(sealed.bytes.span) == vector.sealed)
      var opened = ByteBuffer()
      let isGenuine = cipher.open(
        sealed.span, nonce: nonce.span, associated: associated.span, into: &opened)
      #expect(isGenuine && opened.bytes == plain)
    }
  }

  @Test("One changed bit anywhere, or a cut, opens nothing")
  func forged() throws {
    let vector = Self.vectors[2]
    let (key, sealed) = (try bytes(vector.key), try bytes(vector.sealed))
    let (nonce, associated) = (try bytes(vector.nonce), try bytes(vector.associated))
    let cipher = try AES256GCM(key: key.span)
    func opens(_ sealed: [UInt8], _ nonce: [UInt8], _ associated: [UInt8]) -> Bool {
      var out = ByteBuffer()
      out.append("before")
      let isGenuine = cipher.open(
        sealed.span, nonce: nonce.span, associated: associated.span, into: &out)
      #expect(isGenuine || out.text == "before")
      return isGenuine
    }
    func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
      var bytes = bytes
      bytes[bit / 8] ^= 1 << (bit % 8)
      return bytes
    }
    for bit in 0..<sealed.count * 8 { #expect(!opens(flipped(sealed, bit), nonce, associated)) }
    for bit in 0..<96 { #expect(!opens(sealed, flipped(nonce, bit), associated)) }
    for bit in 0..<associated.count * 8 { #expect(!opens(sealed, nonce, flipped(associated, bit))) }
    for length in 0..<sealed.count {
      #expect(!opens(Array(sealed[..<length]), nonce, associated))
    }
    #expect(opens(sealed, nonce, associated))
  }
}
