import PMSystem
import Testing

@testable import PMAdmin

@Suite struct PasswordTests {
  private func password(_ text: String) throws -> Password? {
    var plain = ByteBuffer()
    plain.append(text)
    return try Password(plain)
  }

  @Test func onlyTheVeryPasswordMatches() throws {
    let password = try #require(try password("hünter2 \n"))
    #expect(password.matches(Array("hünter2 ".utf8)))
    #expect(!password.matches(Array("hünter2".utf8)))
    #expect(!password.matches([]))
  }

  @Test(arguments: ["", "\n", "\r\n"])
  func nothingIsNoPassword(_ text: String) throws {
    #expect(try password(text) == nil)
  }
}
