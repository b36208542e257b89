import Seeded
import Testing

@testable import PMAttest

/// The extensions by themselves, without a certificate around them.
@Suite struct AMDExtensionsTests {
  typealias Extension = X509Certificate.Extension

  static let chip: [UInt8] = (0..<64).map { $0 + 1 }
  static let provider = text("CN=cc-us-east-2.amazonaws.com")

  /// INTEGER in DER.
  static func number(_ value: UInt8) -> [UInt8] {
    value < 0x80 ? [2, 1, value] : [2, 2, 0, value]
  }
  /// IA5String in DER.
  static func text(_ value: String) -> [UInt8] {
    [0x16, UInt8(value.utf8.count)] + Array(value.utf8)
  }

  private static func common(_ product: Product, name: String) -> [Extension] {
    var items = [
      Extension(suffix: [1], value: number(product == .turin ? 1 : 0)),
      Extension(suffix: [2], value: text(name)),
      Extension(suffix: [3, 1], value: number(4)), Extension(suffix: [3, 2], value: number(1)),
      Extension(suffix: [3, 3], value: number(24)), Extension(suffix: [3, 5], value: number(0)),
      Extension(suffix: [3, 6], value: number(0)), Extension(suffix: [3, 7], value: number(0)),
      Extension(suffix: [3, 8], value: number(219)),
    ]
    items.append(
      product == .turin
        ? Extension(suffix: [3, 9], value: number(2))
        : Extension(suffix: [3, 4], value: number(0)))
    return items
  }

  static func vcek(_ product: Product = .milan) -> [Extension] {
    let name = product == .milan ? "Milan-B0" : product.rawValue
    let id = [UInt8](chip.prefix(product.chipIDBytes))
    return common(product, name: name) + [Extension(suffix: [4], value: id)]
  }
  static func vlek(_ product: Product = .milan) -> [Extension] {
    common(product, name: product.rawValue) + [Extension(suffix: [5], value: provider)]
  }

  private func put(
    _ suffix: [UInt8], _ value: [UInt8]?, in items: [Extension] = vcek()
  ) -> [Extension] {
    let others = items.filter { $0.suffix != suffix }
    return value.map { others + [Extension(suffix: suffix, value: $0)] } ?? others
  }

  private func verdict(
    _ items: [Extension], _ product: Product = .milan, _ kind: KeyKind = .vcek
  ) -> String {
    PMAttestTests.verdict { _ = try AMDExtensions(items, product: product, kind: kind) }
  }

  @Test(arguments: Product.allCases)
  func aChipsAreRead(_ product: Product) throws {
    let read = try AMDExtensions(Self.vcek(product), product: product, kind: .vcek)
    #expect(read.owner == .chip([UInt8](Self.chip.prefix(product.chipIDBytes))))
    let fmc: UInt8? = product == .turin ? 2 : nil
    #expect(read.tcb == TCB(fmc: fmc, bootLoader: 4, tee: 1, snp: 24, microcode: 219))
  }

  @Test(arguments: Product.allCases)
  func aProvidersAreRead(_ product: Product) throws {
    let read = try AMDExtensions(Self.vlek(product), product: product, kind: .vlek)
    #expect(read.owner == .provider("CN=cc-us-east-2.amazonaws.com"))
  }

  @Test(arguments: [[1], [2], [3, 1], [3, 2], [3, 3], [3, 8]] as [[UInt8]])
  func eachRequiredOneIsMissed(_ suffix: [UInt8]) {
    #expect(verdict(put(suffix, nil)) == "ext-missing")
    #expect(verdict(put(suffix, nil, in: Self.vlek()), .milan, .vlek) == "ext-missing")
  }

  @Test func theLevelOfTheFirstLoaderIsRequiredOnTurinOnly() {
    #expect(verdict(put([3, 9], nil, in: Self.vcek(.turin)), .turin) == "ext-missing")
    #expect(verdict(Self.vcek(.genoa), .genoa) == "accept")
  }

  @Test(arguments: [[3, 4], [3, 5], [3, 6], [3, 7]] as [[UInt8]])
  func aSpareIsZeroOrAbsent(_ suffix: [UInt8]) {
    #expect(verdict(put(suffix, nil)) == "accept")
    #expect(verdict(put(suffix, Self.number(1))) == "ext-spare")
    #expect(verdict(put(suffix, [2, 1, 0xFF])) == "ext-int")
  }

  @Test func noneComesTwice() {
    for item in Self.vcek() {
      #expect(verdict(Self.vcek() + [item]) == "ext-dup")
    }
  }

  static let numbersOfAnotherForm: [[UInt8]] = [
    [], [2], [2, 1], [2, 0], [2, 1, 0x80], [2, 1, 0xFF], [2, 2, 0, 0x7F], [2, 2, 1, 0],
    [2, 1, 4, 0], [3, 1, 4], [2, 0x81, 1, 4], [2, 3, 0, 0, 0x80], [10, 1, 4], [2, 2, 0xFF, 0x80],
  ]
  @Test(arguments: numbersOfAnotherForm)
  func aNumberHasOneForm(_ value: [UInt8]) {
    for suffix in [[1], [3, 1], [3, 2], [3, 3], [3, 8]] as [[UInt8]] {
      #expect(verdict(put(suffix, value)) == "ext-int")
    }
    #expect(verdict(put([3, 9], value, in: Self.vcek(.turin)), .turin) == "ext-int")
  }

  @Test func everyLevelIsReadInItsForm() throws {
    for level in UInt8.min ... .max {
      let items = put([3, 8], Self.number(level))
      let read = try AMDExtensions(items, product: .milan, kind: .vcek)
      #expect(read.tcb.microcode == level)
    }
  }

  @Test func theStructureVersionIsZeroOrOne() {
    #expect(verdict(put([1], Self.number(1))) == "accept")
    #expect(verdict(put([1], Self.number(2))) == "ext-struct")
    #expect(verdict(put([1], Self.number(255))) == "ext-struct")
  }

  static let textsOfAnotherForm: [[UInt8]] = [
    [], [0x16], [0x16, 0], [0x16, 5] + Array("Mila".utf8), [0x16, 4] + Array("Milan".utf8),
    [0x0C, 5] + Array("Milan".utf8), [0x16, 6] + Array("Milan\n".utf8),
    [0x16, 6] + Array("Milan\0".utf8), [0x16, 6] + Array("Milan".utf8) + [0x7F],
    [0x16, 0x81, 5] + Array("Milan".utf8), [0x16, 0x80] + [UInt8](repeating: 0x41, count: 128),
  ]
  @Test(arguments: textsOfAnotherForm)
  func aTextHasOneForm(_ value: [UInt8]) {
    #expect(verdict(put([2], value)) == "ext-str")
    #expect(verdict(put([5], value, in: Self.vlek()), .milan, .vlek) == "ext-str")
  }

  @Test func theLongestTextIsTaken() {
    let longest = Self.text(String(repeating: "a", count: 127))
    #expect(verdict(put([5], longest, in: Self.vlek()), .milan, .vlek) == "accept")
  }

  @Test(arguments: ["Genoa", "milan", "Milan2", "Milan B0", "-Milan", "-", " Milan"])
  func anotherProductIsRefused(_ name: String) {
    #expect(verdict(put([2], Self.text(name))) == "ext-product")
  }

  @Test(arguments: ["Milan", "Milan-B0", "Milan-", "Milan-B1-x"])
  func theSteppingBehindTheNameDoesNotMatter(_ name: String) {
    #expect(verdict(put([2], Self.text(name))) == "accept")
  }

  @Test(arguments: Product.allCases)
  func aChipHasAsManyBytesAsItsProduct(_ product: Product) throws {
    let items = Self.vcek(product)
    let id = [UInt8](Self.chip.prefix(product.chipIDBytes))
    let length = UInt8(id.count)
    let wrapped = put([4], [0x04, length] + id, in: items)
    #expect(
      try AMDExtensions(wrapped, product: product, kind: .vcek).owner == .chip(id))
    let others: [[UInt8]] = [
      [], Array(id.dropLast()), id + [0], [0x04, length] + id + [0], [0x04, length - 1] + id,
      [0x04, length + 1] + id, [0x05, length] + id, [0x04, 0x81, length] + id,
    ]
    for value in others {
      #expect(verdict(put([4], value, in: items), product) == "ext-hwid")
    }
  }

  @Test func aChipIsNoProviderAndTheOtherWayRound() {
    #expect(verdict(put([4], nil)) == "ext-hwid")
    #expect(verdict(put([5], Self.provider)) == "ext-hwid")
    #expect(verdict(Self.vlek()) == "ext-hwid")
    #expect(verdict(put([5], nil, in: Self.vlek()), .milan, .vlek) == "ext-csp")
    #expect(verdict(put([4], Self.chip, in: Self.vlek()), .milan, .vlek) == "ext-csp")
    #expect(verdict(Self.vcek(), .milan, .vlek) == "ext-csp")
  }

  /// Each defect with all later ones beside it: the first in the order is the verdict.
  @Test func theOrderIsFixed() {
    var items = Self.vcek(.genoa)
    let defects: [([UInt8], [UInt8]?, String)] = [
      ([4], [], "ext-hwid"), ([3, 5], Self.number(1), "ext-spare"), ([3, 8], [], "ext-int"),
      ([3, 1], nil, "ext-missing"), ([2], Self.text("Milan"), "ext-product"),
      ([2], [], "ext-str"), ([1], Self.number(2), "ext-struct"), ([1], [], "ext-int"),
      ([2], nil, "ext-missing"),
    ]
    for (suffix, value, token) in defects {
      items = put(suffix, value, in: items)
      #expect(verdict(items, .genoa) == token)
    }
  }

  @Test func whatIsNotKnownIsIgnored() {
    #expect(verdict(put([9], [1, 2, 3])) == "accept")
    #expect(verdict(put([], [])) == "accept")
  }

  /// A seeded stand-in for a fuzzer: there is a verdict and no trap.
  @Test func damagedExtensionsNeverTrap() {
    var random = SeededRandom(seed: 5)
    var accepted = 0
    for _ in 0..<20_000 {
      var items = Product.allCases.randomElement(using: &random).map(Self.vcek) ?? []
      let index = items.indices.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<4, using: &random) {
      case 0: items[index].value = random.bytes(Int.random(in: 0..<70, using: &random))
      case 1: items[index].suffix = random.bytes(Int.random(in: 0..<3, using: &random))
      case 2 where !items[index].value.isEmpty:
        items[index].value[0] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      default: items.remove(at: index)
      }
      if verdict(items, .allCases.randomElement(using: &random) ?? .milan) == "accept" {
        accepted += 1
      }
    }
    // Spares may go, and any 64 bytes name a chip.
    #expect((1..<10_000).contains(accepted))
  }
}
