import Testing

@testable import PMCrypto

// Spans cannot pass through `#expect`, so this takes an array.
extension PasswordHash {
  fileprivate func matches(_ password: [UInt8]) -> Bool { matches(password.span) }
}

struct PasswordTests {
  private let cheap = Scrypt(cost: 16, blockSize: 1, parallelism: 1)

  @Test("RFC 7914, section 12")
  func scrypt() throws {
    let nothing: [UInt8] = []
    let empty = try cheap.derive(nothing.span, salt: nothing.span, count: 64)
    let emptyText = Hex.text(empty.span)
    #expect(
      emptyText
        == "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906")
    let second = try Scrypt(cost: 1024, blockSize: 8, parallelism: 16)
      .derive(Array("password".utf8).span, salt: Array("NaCl".utf8).span, count: 64)
    let secondText = Hex.text(second.span)
    #expect(
      secondText
        == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")
  }

  @Test("The parameters for passwords fit the memory that is allowed, and greedy ones do not")
  func memory() throws {
    _ = try Scrypt.password.derive([1].span, salt: [2].span, count: 32)
    let greedy = Scrypt(cost: 1 << 20, blockSize: 8, parallelism: 1)
    #expect(throws: CryptoError.unavailable) {
      _ = try greedy.derive([1].span, salt: [2].span, count: 32)
    }
  }

  @Test("A hash knows its password, through its text form too, and no other")
  func passwordHash() throws {
    let password = Array("correct horse".utf8)
    let hash = try PasswordHash(password.span, parameters: cheap)
    let read = try #require(PasswordHash(hash.text))
    #expect(read == hash)
    #expect(read.matches(password))
    #expect(!read.matches(Array("correct horsf".utf8)))
    #expect(!read.matches([]))
    // The salt makes equal passwords differ.
    let other = try PasswordHash(password.span, parameters: cheap)
    #expect(other != hash && other.matches(password))
  }

  @Test("Other texts are no hashes")
  func malformed() {
    let key = String(repeating: "0", count: 64)
    let salt = String(repeating: "0", count: 32)
    #expect(PasswordHash("scrypt$16$1$1$\(salt)$\(key)") != nil)
    for text in [
      "", "scrypt", "argon$16$1$1$\(salt)$\(key)", "scrypt$16$1$1$\(salt)",
      "scrypt$16$1$1$\(salt)$\(key)$", "scrypt$2097152$1$1$\(salt)$\(key)",
      "scrypt$16$1$1$00$\(key)", "scrypt$16$1$1$\(salt)$00",
    ] {
      #expect(PasswordHash(text) == nil, "\(text)")
    }
  }
}
