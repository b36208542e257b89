/// The commands of the evidence sequence, as bytes (TPM 2.0 part 3). All numbers are big endian.
enum TPMCommand: Equatable, Sendable {
  case nvReadPublic(index: UInt32)
  case nvRead(index: UInt32, bytes: Int, offset: Int)
  /// Defines the index for 64 bytes of guest input.
  case nvDefineUserData
  /// Writes at offset 0.
  case nvWrite(index: UInt32, data: [UInt8])
  case readPublic(handle: UInt32)
  case pcrRead(PCRSelection)
  /// A quote over all registers of the SHA-256 bank.
  case quote(handle: UInt32, extraData: [UInt8])

  /// The attestation key that the report names.
  static let attestationKey: UInt32 = 0x8100_0003
  /// The index from which the paravisor gives its report.
  static let reportIndex: UInt32 = 0x0140_0001
  /// The index whose content the paravisor puts into the next report.
  static let userDataIndex: UInt32 = 0x0140_0002
  static let userDataBytes = 64

  /// Commands and answers are shorter (the buffer of the kernel's TPM driver).
  static let bytesMax = 4096
  static let headerBytes = 10

  private static let owner: UInt32 = 0x4000_0001
  /// TPM2_RS_PW with an empty password.
  private static let emptyPassword: [UInt8] = [0x40, 0, 0, 9, 0, 0, 0, 0, 0]
  /// Owner may write and read (TPMA_NV).
  private static let userDataAttributes: UInt32 = 0x0002_0002
  static let sha256: UInt16 = 0x000B

  var needsAuthorization: Bool {
    switch self {
    case .nvReadPublic, .readPublic, .pcrRead: false
    case .nvRead, .nvDefineUserData, .nvWrite, .quote: true
    }
  }

  /// The tag of the command and of its answer when it succeeds.
  var tag: UInt16 { needsAuthorization ? 0x8002 : 0x8001 }

  private var code: UInt32 {
    switch self {
    case .nvReadPublic: 0x169
    case .nvRead: 0x14E
    case .nvDefineUserData: 0x12A
    case .nvWrite: 0x137
    case .readPublic: 0x173
    case .pcrRead: 0x17E
    case .quote: 0x158
    }
  }

  private var handles: [UInt32] {
    switch self {
    case .nvReadPublic(let index): [index]
    case .nvRead(let index, _, _), .nvWrite(let index, _): [Self.owner, index]
    case .nvDefineUserData: [Self.owner]
    case .readPublic(let handle), .quote(let handle, _): [handle]
    case .pcrRead: []
    }
  }

  private var parameters: [UInt8] {
    var bytes: [UInt8] = []
    switch self {
    case .nvReadPublic, .readPublic: break
    case .nvRead(_, let count, let offset):
      bytes.append(bigEndian: UInt16(count))
      bytes.append(bigEndian: UInt16(offset))
    case .nvDefineUserData:
      bytes.append(bigEndian: UInt16(0))  // no password of its own
      bytes.append(bigEndian: UInt16(14))
      bytes.append(bigEndian: Self.userDataIndex)
      bytes.append(bigEndian: Self.sha256)
      bytes.append(bigEndian: Self.userDataAttributes)
      bytes.append(bigEndian: UInt16(0))  // no policy
      bytes.append(bigEndian: UInt16(Self.userDataBytes))
    case .nvWrite(_, let data):
      bytes.append(sized: data)
      bytes.append(bigEndian: UInt16(0))
    case .pcrRead(let selection):
      bytes += selection.bytes
    case .quote(_, let extraData):
      bytes.append(sized: extraData)
      bytes.append(bigEndian: UInt16(0x0010))  // the scheme of the key
      bytes += PCRSelection.all.bytes
    }
    return bytes
  }

  /// The whole command.
  var bytes: [UInt8] {
    var body: [UInt8] = []
    for handle in handles { body.append(bigEndian: handle) }
    if needsAuthorization {
      body.append(bigEndian: UInt32(Self.emptyPassword.count))
      body += Self.emptyPassword
    }
    body += parameters
    var bytes: [UInt8] = []
    bytes.append(bigEndian: tag)
    bytes.append(bigEndian: UInt32(Self.headerBytes + body.count))
    bytes.append(bigEndian: code)
    return bytes + body
  }
}

/// Registers of the SHA-256 bank: bit n is register n.
struct PCRSelection: Equatable, Sendable {
  static let registerCount = 24
  static let all = PCRSelection(bits: 1 << registerCount - 1)

  var bits: UInt32
  var count: Int { bits.nonzeroBitCount }

  /// One selection: its bank, three bytes of bits, the lowest registers first.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt32(1))
    bytes.append(bigEndian: TPMCommand.sha256)
    bytes.append(3)
    for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    return bytes
  }
}

extension [UInt8] {
  fileprivate mutating func append<Number: FixedWidthInteger>(bigEndian number: Number) {
    for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  /// A TPM2B: its length, then the bytes.
  fileprivate mutating func append(sized bytes: [UInt8]) {
    append(bigEndian: UInt16(bytes.count))
    append(contentsOf: bytes)
  }
}
