public import PMAttest
import PMCrypto

/// A TPM of a few lines: the commands of the evidence sequence, indices and registers, and quotes
/// by the synthetic key. What it does not know it answers with TPM_RC_COMMAND_CODE.
public final class EmulatedTPM: TPMTransport {
  private let key: SigningKey
  private let modulus: [UInt8]
  private var indices: [UInt32: [UInt8]] = [:]
  private var written: Set<UInt32> = []
  private var registers = [[UInt8]](
    repeating: [UInt8](repeating: 0, count: 32), count: 24)

  public init() throws {
    key = try SigningKey("tpm-ak")
    modulus = try key.modulus()
  }

  private enum Code {
    static let undefined: UInt32 = 0x18B
    static let undefinedSecond: UInt32 = 0x28B
    static let unwritten: UInt32 = 0x14A
    static let defined: UInt32 = 0x14C
    static let range: UInt32 = 0x146
    static let size: UInt32 = 0x1C4
    static let unknown: UInt32 = 0x143
  }

  public func exchange(_ command: [UInt8]) throws(FailureToken) -> [UInt8] {
    guard command.count >= 14, TPMWords.number(command[2..<6]) == command.count else {
      throw .tpmIO
    }
    let first = UInt32(TPMWords.number(command[10..<14]))
    let second = command.count >= 18 ? UInt32(TPMWords.number(command[14..<18])) : 0
    switch TPMWords.number(command[6..<10]) {
    case 0x173: return plain(keyArea)
    case 0x169: return publicArea(first)
    case 0x14E: return read(second, Array(command[31...]))
    case 0x12A: return define(Array(command[27...]))
    case 0x137: return write(second, Array(command[31...]))
    case 0x17E: return plain(registers(mask: Array(command[17..<20])))
    case 0x182: return extend(Int(first), Array(command[33...]))
    case 0x158: return authorized(try quote(Array(command[27...])))
    default: return refusal(Code.unknown)
    }
  }

  // MARK: Answers

  private func plain(_ parameters: [UInt8]) -> [UInt8] {
    [0x80, 1] + TPMWords.big32(UInt32(10 + parameters.count)) + TPMWords.big32(0) + parameters
  }
  private func authorized(_ parameters: [UInt8]) -> [UInt8] {
    let body = TPMWords.big32(UInt32(parameters.count)) + parameters + [0, 0, 1, 0, 0]
    return [0x80, 2] + TPMWords.big32(UInt32(10 + body.count)) + TPMWords.big32(0) + body
  }
  private func refusal(_ code: UInt32) -> [UInt8] {
    [0x80, 1] + TPMWords.big32(10) + TPMWords.big32(code)
  }

  private static let name = TPMWords.sized([0x00, 0x0B] + [UInt8](repeating: 7, count: 32))

  private var keyArea: [UInt8] {
    let area: [UInt8] =
      [0x00, 0x01, 0x00, 0x0B] + TPMWords.big32(0x0005_0072) + [0, 0]
      + [0x00, 0x10, 0x00, 0x14, 0x00, 0x0B, 0x08, 0x00] + TPMWords.big32(0)
      + TPMWords.sized(modulus)
    return TPMWords.sized(area) + Self.name + Self.name
  }

  // MARK: Indices

  private func publicArea(_ index: UInt32) -> [UInt8] {
    guard let data = indices[index] else { return refusal(Code.undefined) }
    let area =
      TPMWords.big32(index) + [0x00, 0x0B] + TPMWords.big32(0x2002_0002) + [0, 0]
      + TPMWords.big16(data.count)
    return plain(TPMWords.sized(area) + Self.name)
  }

  private func define(_ body: [UInt8]) -> [UInt8] {
    let index = UInt32(TPMWords.number(body[4..<8]))
    if indices[index] != nil { return refusal(Code.defined) }
    indices[index] = [UInt8](repeating: 0xFF, count: TPMWords.number(body.suffix(2)))
    return authorized([])
  }

  private func write(_ index: UInt32, _ body: [UInt8]) -> [UInt8] {
    guard var data = indices[index] else { return refusal(Code.undefinedSecond) }
    let count = TPMWords.number(body[0..<2])
    let offset = TPMWords.number(body.suffix(2))
    guard offset + count <= data.count else { return refusal(Code.range) }
    data.replaceSubrange(offset..<offset + count, with: body[2..<2 + count])
    indices[index] = data
    written.insert(index)
    return authorized([])
  }

  private func read(_ index: UInt32, _ body: [UInt8]) -> [UInt8] {
    guard let data = indices[index] else { return refusal(Code.undefinedSecond) }
    guard written.contains(index) else { return refusal(Code.unwritten) }
    let (count, offset) = (TPMWords.number(body[0..<2]), TPMWords.number(body[2..<4]))
    guard count <= 1024 else { return refusal(Code.size) }
    guard offset + count <= data.count else { return refusal(Code.range) }
    return authorized(TPMWords.sized(Array(data[offset..<offset + count])))
  }

  // MARK: Registers

  /// The first eight that are asked for.
  private func registers(mask: [UInt8]) -> [UInt8] {
    let asked = (0..<24).filter { mask[$0 / 8] >> ($0 % 8) & 1 == 1 }.prefix(8)
    var given: [UInt8] = [0, 0, 0]
    for register in asked { given[register / 8] |= 1 << (register % 8) }
    return TPMWords.big32(1) + TPMWords.big32(1) + [0x00, 0x0B, 3] + given
      + TPMWords.big32(UInt32(asked.count)) + asked.flatMap { TPMWords.sized(registers[$0]) }
  }

  private func extend(_ register: Int, _ digest: [UInt8]) -> [UInt8] {
    guard registers.indices.contains(register) else { return refusal(Code.range) }
    registers[register] = HashFunction.sha256.digest(of: (registers[register] + digest).span)
    return authorized([])
  }

  private func quote(_ body: [UInt8]) throws(FailureToken) -> [UInt8] {
    let extra = Array(body[2..<2 + TPMWords.number(body[0..<2])])
    let digest = HashFunction.sha256.digest(of: Array(registers.joined()).span)
    let message: [UInt8] =
      [0xFF, 0x54, 0x43, 0x47, 0x80, 0x18] + Self.name + TPMWords.sized(extra)
      + [UInt8](repeating: 0, count: 25) + TPMWords.big32(1) + [0x00, 0x0B, 3, 0xFF, 0xFF, 0xFF]
      + TPMWords.sized(digest)
    do {
      let signature = try key.signature(of: message, digest: "SHA256")
      return TPMWords.sized(message) + [0x00, 0x14, 0x00, 0x0B] + TPMWords.sized(signature)
    } catch { throw .tpmIO }
  }
}
