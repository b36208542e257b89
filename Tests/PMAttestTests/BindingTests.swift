import PMCrypto
import PMJSON
import Testing
import Vectors

@testable import PMAttest

@Suite(.enabled(if: Vectors.exist, Comment(rawValue: Vectors.missing)))
struct GoldenBindingTests {
  @Test func theGoldenBytesComeOut() throws {
    let golden = try Vectors.json("binding-golden.json")
    let key = try #require(golden["spki_sha256"]?.string.flatMap(Digest256.init))
    #expect(hex(Binding.label) == golden["label_hex"]?.string)
    let keyBytes = try #require(golden["spki_der_hex"]?.string.flatMap(Hex.bytes))
    #expect(try digest(of: keyBytes) == key)
    let cases = try #require(golden["cases"]?.array)
    #expect(cases.count == 2)
    for item in cases {
      let nonce = try #require(item["nonce"]?.string.flatMap(Nonce.init(hex:)))
      let claims = Array(try #require(item["claims_utf8"]?.string).utf8)
      let hash = Binding.hash(nonce, key: key, claims: claims)
      #expect(hash.hex == item["B"]?.string)
      #expect(hash.hex == item["azure_quote_extra_data"]?.string)
      #expect(
        hex(Binding.reportData(nonce, key: key, claims: claims))
          == item["snp_report_data"]?.string)
      #expect(
        hex(Binding.userData(key: key, claims: claims)) == item["azure_user_data"]?.string)
    }
  }
}

@Suite struct BindingTests {
  private let key = [UInt8](repeating: 0x5A, count: 32)
  private let claims = Array("{\"v\":1}".utf8)

  private func hash(_ nonce: [UInt8], _ key: [UInt8], _ claims: [UInt8]) -> String {
    guard let nonce = Nonce(nonce), let key = Digest256(key.span) else { return "" }
    return Binding.hash(nonce, key: key, claims: claims).hex
  }

  @Test func theGoldenValuesOfTheSpecificationComeOut() throws {
    let key = try #require(
      Digest256(hex: "59ee0b7940d945153078cda37df4866ffb71d6caef031d8218ca2a8c5dd3b579"))
    let nonce = try #require(Nonce((0..<32).map { UInt8($0) }))
    #expect(
      Binding.hash(nonce, key: key, claims: claims).hex
        == "68f7f1040add1771a024c70385c50b2eafec77edf2736387bd709b1b2de131d2")
    #expect(
      hex(Binding.userData(key: key, claims: claims))
        == "9929a39ab2df5371d0ba0fe00cc81d7c007eb5b64eab2ae5254bb7d53156a4ee" + key.hex)
  }

  @Test func everyByteOfEveryInputCounts() {
    let nonce = [UInt8](repeating: 7, count: 32)
    var seen: Set<String> = [hash(nonce, key, claims)]
    var count = 1
    func take(_ value: String) {
      #expect(seen.insert(value).inserted)
      count += 1
    }
    for index in 0..<32 {
      var changed = nonce
      changed[index] ^= 1
      take(hash(changed, key, claims))
      changed = key
      changed[index] ^= 1
      take(hash(nonce, changed, claims))
    }
    for index in claims.indices {
      var changed = claims
      changed[index] ^= 1
      take(hash(nonce, key, changed))
    }
    take(hash(nonce, key, claims + [0x20]))
    take(hash(nonce, key, []))
    take(hash(key, nonce, claims))
    #expect(seen.count == count && !seen.contains(""))
  }

  @Test func aNonceIsThirtyTwoBytesInLowerCase() {
    #expect(Nonce([UInt8](repeating: 1, count: 31)) == nil)
    #expect(Nonce([UInt8](repeating: 1, count: 33)) == nil)
    let digits = String(repeating: "ab", count: 32)
    #expect(Nonce(hex: digits)?.hex == digits)
    #expect(Nonce(hex: digits.uppercased()) == nil)
    #expect(Nonce(hex: String(digits.dropLast())) == nil)
    #expect(Nonce(hex: digits + "ab") == nil)
    #expect(Nonce.zero.isZero)
    #expect(!Nonce.random().isZero)
    #expect(Nonce.random() != Nonce.random())
  }
}

func hex(_ bytes: [UInt8]) -> String { Hex.text(bytes.span) }
