/// TPM commands for the emulation, written apart from the product's own so that a mistake there is
/// not made here again.
enum TPMWords {
  static let owner: UInt32 = 0x4000_0001
  static let reportIndex: UInt32 = 0x0140_0001
  static let userDataIndex: UInt32 = 0x0140_0002
  static let key: UInt32 = 0x8100_0003
  static let password: [UInt8] = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]

  static func big16(_ number: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
  }
  static func big32(_ number: UInt32) -> [UInt8] {
    big16(Int(number >> 16)) + big16(Int(number & 0xFFFF))
  }
  static func number(_ bytes: some Collection<UInt8>) -> Int {
    bytes.reduce(0) { $0 << 8 | Int($1) }
  }
  static func sized(_ bytes: [UInt8]) -> [UInt8] { big16(bytes.count) + bytes }

  static func command(_ code: UInt32, isAuthorized: Bool, _ body: [UInt8]) -> [UInt8] {
    [0x80, isAuthorized ? 2 : 1] + big32(UInt32(10 + body.count)) + big32(code) + body
  }

  /// Owner and owner's password may do everything with it, as far as tests are concerned.
  static func define(_ index: UInt32, bytes: Int) -> [UInt8] {
    let area =
      big32(index) + [0x00, 0x0B] + big32(0x0002_0002) + [0, 0] + big16(bytes)
    return command(0x12A, isAuthorized: true, big32(owner) + password + [0, 0] + sized(area))
  }
  static func write(_ index: UInt32, _ data: [UInt8], at offset: Int) -> [UInt8] {
    command(
      0x137, isAuthorized: true,
      big32(owner) + big32(index) + password + sized(data) + big16(offset))
  }
  static func read(_ index: UInt32, bytes: Int, at offset: Int) -> [UInt8] {
    command(
      0x14E, isAuthorized: true,
      big32(owner) + big32(index) + password + big16(bytes) + big16(offset))
  }
  static func extend(_ register: UInt32, _ digest: [UInt8]) -> [UInt8] {
    command(
      0x182, isAuthorized: true, big32(register) + password + big32(1) + [0x00, 0x0B] + digest)
  }
  static let readKey = command(0x173, isAuthorized: false, big32(key))

  /// An RSA-2048 signing key of the owner, restricted to what the TPM made (RSASSA, SHA-256).
  static let createKey: [UInt8] = {
    let area: [UInt8] =
      [0x00, 0x01, 0x00, 0x0B] + big32(0x0005_0072) + [0, 0] + [0x00, 0x10, 0x00, 0x14, 0x00, 0x0B]
      + [0x08, 0x00] + big32(0) + [0, 0]
    return command(
      0x131, isAuthorized: true,
      big32(owner) + password + sized([0, 0, 0, 0]) + sized(area) + [0, 0] + big32(0))
  }()
  static func persist(_ transient: UInt32) -> [UInt8] {
    command(0x120, isAuthorized: true, big32(owner) + big32(transient) + password + big32(key))
  }

  /// The response code; nil for bytes that are no answer.
  static func code(_ answer: [UInt8]) -> Int? {
    answer.count >= 10 ? number(answer[6..<10]) : nil
  }
  /// The parameters of an authorised answer without handles, its first TPM2B.
  static func firstSized(_ answer: [UInt8]) -> [UInt8]? {
    guard code(answer) == 0, answer.count >= 16 else { return nil }
    let count = number(answer[14..<16])
    return answer.count >= 16 + count ? Array(answer[16..<16 + count]) : nil
  }
}
