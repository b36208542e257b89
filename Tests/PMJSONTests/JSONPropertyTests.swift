import PMJSON
import Seeded
import Testing

/// Properties over seeded random documents; a failure names its seed.
@Suite struct JSONPropertyTests {
  @Test func everySplitGivesTheSameEvents() {
    var texts = Documents.valid.map { Documents.held(Array($0.utf8)) }
    texts += Documents.invalid.map { Documents.held(Array($0.utf8)) }
    texts += Documents.illFormed.map { Documents.held(Documents.quoted($0)) }
    texts += (0..<40).map { RandomDocument(seed: $0).bytes }
    texts += (0..<60).map { RandomDocument(seed: $0, isDamaged: true).bytes }
    for bytes in texts {
      for isStrict in [true, false] {
        for captured in [0, 12, 4096] {
          let whole = ScannedDocument(bytes, isStrict: isStrict, capturing: captured)
          let isSame = splits(bytes).allSatisfy {
            ScannedDocument($0, isStrict: isStrict, capturing: captured) == whole
          }
          #expect(isSame, "\(String(decoding: bytes, as: UTF8.self)), \(isStrict), \(captured)")
        }
      }
    }
  }

  /// What passes the strict scanner means the same to a strict reader, and the other way round, but
  /// for what is written at each exception.
  @Test func scannerAndReaderAgreeOnWhatIsValid() {
    var (valid, refused) = (0, 0)
    for seed in UInt64(0)..<3000 {
      let bytes = RandomDocument(seed: seed, isDamaged: seed % 4 > 0).bytes
      let scanned = ScannedDocument(bytes, isStrict: true)
      do {
        let value = try JSONReader.read(bytes)
        // The scanner takes objects only, with plain names on the outside.
        let isPlain =
          value.object.map { $0.members.allSatisfy { Self.isPlainName($0.name) } } ?? false
        let isEscaped = scanned.error?.reason == .invalidName
        #expect(scanned.isWhole || !isPlain || isEscaped, "seed \(seed)")
        #expect(!scanned.isWhole || isPlain, "seed \(seed)")
        valid += 1
      } catch {
        // Nested names are not compared, and halves of surrogate pairs are not paired.
        let isHole = error.reason == .duplicateName || error.reason == .invalidEscape
        #expect(!scanned.isWhole || isHole, "seed \(seed), \(error)")
        refused += 1
      }
    }
    #expect(valid > 500)
    #expect(refused > 500)
  }

  /// The skimmer refuses nothing that is valid.
  @Test func whatIsValidIsValidToTheSkimmer() {
    for seed in UInt64(0)..<500 {
      let bytes = RandomDocument(seed: seed).bytes
      #expect(ScannedDocument(bytes, isStrict: false).isWhole, "seed \(seed)")
    }
  }

  /// The members that the scanner reports are the reader's, in order and with their text.
  @Test func capturesAreTheReadersValues() throws {
    for seed in UInt64(0)..<300 {
      let bytes = RandomDocument(seed: seed).bytes
      let scanned = ScannedDocument(bytes, isStrict: false, capturing: 1 << 20)
      let members = try #require(try JSONReader.read(bytes).object).members
      let captured = try scanned.captures.map { try JSONReader.read($0 ?? []) }
      #expect(captured == members.map(\.value), "seed \(seed)")
    }
  }

  private static func isPlainName(_ name: String) -> Bool {
    (1...JSONMemberScanner.nameBytesMax).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
        default: false
        }
      }
  }
}

/// An object with random members; damaged, with some of its bytes changed, lost, doubled or moved.
private struct RandomDocument {
  private(set) var bytes: [UInt8] = []
  private var random: SeededRandom

  init(seed: UInt64, isDamaged: Bool = false) {
    random = SeededRandom(seed: seed)
    object(depth: 0)
    if isDamaged { damage() }
  }

  private mutating func pick(_ bound: Int) -> Int { .random(in: 0..<bound, using: &random) }
  private mutating func add(_ text: String) { bytes += Array(text.utf8) }
  private mutating func blank() {
    if pick(5) == 0 { add([" ", "\n", "\t ", "\r\n"][pick(4)]) }
  }

  private mutating func object(depth: Int) {
    add("{")
    blank()
    for index in 0..<pick(5) {
      if index > 0 { add(",") }
      blank()
      // The number makes it unique.
      add("\"\(["model", "n", "A-", "stream_", "x"][pick(5)])\(index)\"")
      blank()
      add(":")
      blank()
      value(depth: depth + 1)
      blank()
    }
    add("}")
  }

  private mutating func value(depth: Int) {
    switch pick(depth < 5 ? 8 : 5) {
    case 0: add(["null", "true", "false"][pick(3)])
    case 1:
      add(["0", "-0", "17", "-3.25", "1e9", "2E-3", "0.0e+0", "98765432109876543210"][pick(8)])
    case 2, 3, 4: string()
    case 5: object(depth: depth)
    default:
      add("[")
      for index in 0..<pick(4) {
        if index > 0 { add(",") }
        blank()
        value(depth: depth + 1)
        blank()
      }
      add("]")
    }
  }

  private mutating func string() {
    add("\"")
    for _ in 0..<pick(12) {
      add(
        [
          "a", "model", #"\""#, #"\\"#, #"\/"#, #"\u00e9"#, #"\uD83D\uDE00"#, "é", "€", "😀", "{",
          "]", ",",
          "0123456789abcdefghij", #"\n"#, " ",
        ][pick(16)])
    }
    add("\"")
  }

  private mutating func damage() {
    for _ in 0...pick(2) where !bytes.isEmpty {
      let index = pick(bytes.count)
      let likely = Array(#"{}[]",:\u0-+.eE/t "#.utf8)
      switch pick(5) {
      case 0: bytes.remove(at: index)
      case 1: bytes.insert(likely[pick(likely.count)], at: index)
      case 2: bytes[index] = likely[pick(likely.count)]
      case 3: bytes[index] = .random(in: .min ... .max, using: &random)
      default: bytes.swapAt(index, pick(bytes.count))
      }
    }
  }
}
