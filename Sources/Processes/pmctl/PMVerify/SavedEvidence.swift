public import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMSystem
internal import PMTLS

/// An answer with all that is needed to judge it again later: the folder that `--save` writes.
public struct SavedEvidence: Sendable {
  /// The body as it came.
  let document: [UInt8]
  /// The certificate of the connection it came over.
  let peer: PeerCertificate
  let url: String
  let nonce: Nonce
  let time: WallTime
  /// Such as `TLSv1.3`.
  let tlsVersion: String

  /// Why a folder is no saved evidence.
  public enum Fault: Error, Equatable, Sendable {
    /// It cannot be made; it must not be there before.
    case folder(errno: Int32)
    case unreadable(FileName)
    case unwritable(FileName)
  }

  public enum FileName: String, CaseIterable, Sendable {
    case evidence = "evidence.json"
    case peer = "peer.der"
    case request = "request.json"
    case verdict = "verdict.json"
  }

  /// The largest of the files; a document is no longer than this.
  private static let fileBytesMax = EvidenceDocument.bytesMax

  init(
    document: [UInt8], peer: PeerCertificate, url: String, nonce: Nonce, time: WallTime,
    tlsVersion: String
  ) {
    (self.document, self.peer, self.url) = (document, peer, url)
    (self.nonce, self.time, self.tlsVersion) = (nonce, time, tlsVersion)
  }

  /// Reads a folder. The verdict in it is not read: it is found again.
  public init(folder: String) throws(Fault) {
    document = try Self.read(.evidence, in: folder)
    guard let peer = PeerCertificate(der: try Self.read(.peer, in: folder)) else {
      throw .unreadable(.peer)
    }
    let request = try? JSONReader.read(try Self.read(.request, in: folder))
    guard let nonce = request?["nonce"]?.string.flatMap({ Nonce(hex: $0) }),
      let time = request?["time"]?.string.flatMap({ WallTime(rfc3339: $0) })
    else { throw .unreadable(.request) }
    self.peer = peer
    (self.nonce, self.time) = (nonce, time)
    url = request?["url"]?.string ?? ""
    tlsVersion = request?["tls"]?.string ?? ""
  }

  /// Makes the folder, which nobody else may read; one that is there already is a fault.
  public static func makeFolder(_ folder: String) throws(Fault) {
    do throws(SystemError) {
      try FileIO.makeNewFolder(folder, mode: 0o700)
    } catch {
      throw .folder(errno: error.number)
    }
  }

  /// Writes all files into a folder that was made for them.
  public func write(to folder: String, _ appraisal: Appraisal) throws(Fault) {
    let verdict = JSONValue.object(appraisal.json)
    let request: JSONValue = [
      "url": .string(url), "nonce": .string(nonce.hex), "time": .string(time.civil.rfc3339),
      "tls": .string(tlsVersion),
    ]
    let contents: [(FileName, [UInt8])] = [
      (.evidence, document), (.peer, peer.der), (.request, Array((request.text + "\n").utf8)),
      (.verdict, Array((verdict.text + "\n").utf8)),
    ]
    for (name, bytes) in contents {
      do throws(SystemError) {
        try FileIO.replace("\(folder)/\(name.rawValue)", with: bytes, mode: 0o600)
      } catch {
        throw .unwritable(name)
      }
    }
  }

  private static func read(_ name: FileName, in folder: String) throws(Fault) -> [UInt8] {
    do throws(SystemError) {
      return try FileIO.read("\(folder)/\(name.rawValue)", bytesMax: fileBytesMax)
    } catch {
      throw .unreadable(name)
    }
  }
}
