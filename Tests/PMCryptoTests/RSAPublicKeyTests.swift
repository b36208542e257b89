import Testing

@testable import PMCrypto

struct RSAPublicKeyTests {
  // Made with `openssl genrsa 1024` and `openssl dgst -sha256 -sign`, over "abc".
  private let modulus =
    "b3f5e12665d228303b45b5dd965dfcb468b0703a6ae0df9199bbeb180ea66179094933c8e8e7c5cd"
    + "7dc432c08e1ac71d1fee5cbfb48ed760d1d704787752bd32dea0e6ac336c702efe64207a834621de"
    + "f8fc1e65aee4ed28ac98bd3668b4cd0656de3e187199f4966b26316ed953f4d3abc5f0b374ace697"
    + "e9695ffc7639c1e3"
  private let signature =
    "03d80e7ac513bf12b1cab6dedbfe84d5d6964a8b74e66c1bf767f47cd109dd30c6c25fe906713e12"
    + "aa3ab01398ea012cf817f3d198869b73139481aa236080efe3393cff88bf0b57d14b21faa59a690b"
    + "35445980744a821388d2d527b44b32b6cd50d6273f2a8a6965d450ac2eb7bc5c71cd6d0da55a79f6"
    + "434b07bc7190c93d"

  @Test("A signature of OpenSSL's command line verifies, and no change of it does")
  func signatures() throws {
    let key = RSAPublicKey(modulus: try #require(Hex.bytes(modulus)))
    let good = try #require(Hex.bytes(signature))
    let message = Array("abc".utf8)
    #expect(key.verifies(good, of: message))
    #expect(!key.verifies(good, of: message + [0]))
    #expect(!key.verifies(good, of: []))
    #expect(!key.verifies([], of: message))
    #expect(!key.verifies(good + [0], of: message))
    for index in stride(from: 0, to: good.count, by: 7) {
      var changed = good
      changed[index] ^= 1
      #expect(!key.verifies(changed, of: message))
      var other = key.modulus
      other[index] ^= 2
      #expect(!RSAPublicKey(modulus: other).verifies(good, of: message))
    }
  }

  @Test("Leading zeros of a modulus do not count")
  func bits() throws {
    let bytes = try #require(Hex.bytes(modulus))
    #expect(RSAPublicKey(modulus: bytes).bitCount == 1024)
    #expect(RSAPublicKey(modulus: [0, 0] + bytes) == RSAPublicKey(modulus: bytes))
    #expect(RSAPublicKey(modulus: [0x01, 0x00]).bitCount == 9)
    for nothing: [UInt8] in [[], [0, 0]] {
      #expect(RSAPublicKey(modulus: nothing).bitCount == 0)
      #expect(!RSAPublicKey(modulus: nothing).verifies([1], of: [1]))
    }
  }
}
