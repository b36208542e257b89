import PMHTTP
import Seeded
import Testing

@Suite struct ByteScanTests {
  /// Against a search that looks at each place.
  @Test func aTextIsFoundWhereItFirstStands() {
    var random = SeededRandom(seed: 11)
    var found = 0
    for _ in 0..<20_000 {
      // Few letters, so that beginnings of the text abound.
      let bytes = (0..<Int.random(in: 0...70, using: &random)).map { _ in
        Array("abac".utf8).randomElement(using: &random) ?? 0
      }
      let from = Int.random(in: 0...20, using: &random)
      let text = Array("abaca".utf8)
      let naive = bytes.indices.first {
        $0 >= from && bytes[$0...].starts(with: text)
      }
      #expect(bytes.span.firstOffset(of: "abaca", from: from) == naive, "\(bytes), \(from)")
      if naive != nil { found += 1 }
    }
    #expect(found > 500)
  }
}
