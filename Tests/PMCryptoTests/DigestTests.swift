import Testing

@testable import PMCrypto

// Spans cannot pass through `#expect`, so these take arrays.
private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { equalInConstantTime(a.span, b.span) }
private func digest256(_ bytes: [UInt8]) -> Digest256? { Digest256(bytes.span) }
private func hexText(_ bytes: [UInt8]) -> String { Hex.text(bytes.span) }
private func base64(_ bytes: [UInt8]) -> String { Base64URL.text(bytes.span) }
private func standard(_ bytes: [UInt8]) -> String { Base64.text(bytes.span) }
private func hash(_ bytes: [UInt8]) -> Digest256 { Digest256(hashing: bytes.span) }
extension SHA256 {
  fileprivate func hex(_ text: String) -> String { digest(of: bytes(text).span).hex }
}
extension KeyedHash {
  fileprivate func hex(_ text: String) -> String { code(of: bytes(text).span).hex }
  fileprivate func code(ofBytes bytes: [UInt8]) -> Digest256 { code(of: bytes.span) }
}

struct DigestTests {
  @Test("FIPS 180-4 vectors, with one context")
  func sha256() throws {
    let hash = try SHA256()
    #expect(
      hash.hex("abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hash.hex("")
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for _ in 0..<1000 { hash.update([UInt8](repeating: 0x61, count: 1000).span) }
    #expect(
      hash.finish().hex == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test("RFC 4231 cases 1, 2 and 6, each context used twice")
  func keyedHash() throws {
    let cases: [(key: [UInt8], data: String, code: String)] = [
      (
        .init(repeating: 0x0B, count: 20), "Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        bytes("Jefe"), "what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        .init(repeating: 0xAA, count: 131),
        "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
    ]
    for (key, data, code) in cases {
      let keyed = try KeyedHash(key: key.span)
      #expect(keyed.hex(data) == code)
      #expect(keyed.hex(data) == code)
    }
  }

  @Test("The code of a digest is the code of its bytes")
  func codeOfDigest() throws {
    let keyed = try KeyedHash(key: bytes("key").span)
    let digest = try SHA256().digest(of: bytes("abc").span)
    #expect(keyed.code(of: digest) == keyed.code(ofBytes: digest.bytes))
  }

  @Test("Digests are told apart by every bit")
  func matches() throws {
    let digest = try SHA256().digest(of: bytes("abc").span)
    #expect(digest.matches(digest))
    for bit in 0..<256 {
      var other = digest.bytes
      other[bit / 8] ^= 1 << UInt8(bit % 8)
      let changed = try #require(digest256(other))
      #expect(!digest.matches(changed))
      #expect(digest != changed)
    }
    #expect(digest256([1, 2, 3]) == nil)
    #expect(areEqual([1, 2], [1, 2]))
    #expect(!areEqual([1, 2], [1, 3]))
    #expect(!areEqual([1, 2], [1]))
  }
}

struct TextTests {
  @Test("Hexadecimal text goes both ways; anything else is refused")
  func hex() {
    #expect(hexText([0x00, 0x7F, 0xFF]) == "007fff")
    #expect(Hex.bytes("007FfF") == [0x00, 0x7F, 0xFF])
    #expect(Hex.bytes("0") == nil)
    #expect(Hex.bytes("0g") == nil)
    #expect(Digest256(hex: String(repeating: "0", count: 63)) == nil)
  }

  @Test("RFC 4648 vectors, in the alphabet for names")
  func base64URL() {
    let vectors = [
      ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
      ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
    ]
    for (plain, text) in vectors { #expect(base64(bytes(plain)) == text) }
    #expect(base64([0xFB, 0xFF]) == "-_8")
    #expect(base64([UInt8](repeating: 7, count: 32)).utf8.count == 43)
  }

  @Test("Base64 of RFC 4648, section 10; each text has one form and each form one meaning")
  func base64Forms() {
    let texts = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg=="]
    for (text, code) in texts {
      #expect(standard(bytes(text)) == code)
      #expect(Base64.bytes(code) == bytes(text))
      let bare = String(code.prefix { $0 != "=" })
      #expect(Base64URL.bytes(bare) == bytes(text))
      if bare != code {
        #expect(Base64URL.bytes(code) == nil)
        #expect(Base64.bytes(bare) == nil)
      }
    }
    #expect(Base64.bytes("+/+/") == [0xFB, 0xFF, 0xBF])
    #expect(Base64URL.bytes("-_-_") == [0xFB, 0xFF, 0xBF])
    for wrong in ["Zh==", "Zm9=", "Z", "Zg=", "=", "====", "Zg==\n", "-_-_", "Zm9v=", "Zg==Zg=="] {
      #expect(Base64.bytes(wrong) == nil, "\(wrong)")
    }
    for wrong in ["Zh", "Zm9", "Z", "+/+/", "Zg=="] {
      #expect(Base64URL.bytes(wrong) == nil, "\(wrong)")
    }
    for count in 0..<70 {
      let some = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      #expect(Base64.bytes(standard(some)) == some)
    }
  }

  @Test("FIPS 180-4 vectors, in one call")
  func hashFunctions() {
    func digest(_ function: HashFunction) -> String {
      hexText(function.digest(of: bytes("abc").span))
    }
    #expect(
      digest(.sha256) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      digest(.sha384)
        == "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
        + "8086072ba1e7cc2358baeca134c825a7")
    #expect(
      digest(.sha512)
        == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    #expect(hash(bytes("abc")).hex == digest(.sha256))
    #expect(hash([]).hex.hasPrefix("e3b0c44298fc1c14"))
    for function in [HashFunction.sha256, .sha384, .sha512] {
      #expect(function.byteCount * 2 == digest(function).utf8.count)
    }
  }

  @Test("Lower-case digits only, where a text must be the one we would write")
  func canonicalHex() {
    #expect(Hex.canonicalBytes("00abff") == [0, 0xAB, 0xFF])
    for wrong in ["0", "AB", "aB", "0x", "zz"] { #expect(Hex.canonicalBytes(wrong) == nil) }
  }
}
