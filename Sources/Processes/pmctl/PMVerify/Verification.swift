public import PMAttest
internal import PMCrypto
internal import PMHTTP
public import PMJSON
public import PMSystem
internal import PMTLS

/// What `pmctl verify` does: asks an appliance once, and judges the answer by what was seen of this
/// one connection.
///
/// Method: a nonce of our own, one TLS connection, one GET, no redirect; then `PMAttest.Verifier`
/// with that nonce and the key that the connection's own handshake proved. What it does not do:
/// talk to anybody else, but for AMD's revocation list where that is demanded.
public struct Verification: Sendable {
  /// What to demand of the evidence.
  public var rules = Rules()
  /// Whether the system's roots are to vouch for the connection, too.
  public var checksWebPKI = true
  /// For everything on the network, together.
  public var seconds = Self.secondsDefault
  public static let secondsDefault: UInt64 = 20

  private let anchors: TrustAnchors
  private let environment: [String: String]
  private let certificates: any CertificateSource

  static let target = "/.well-known/pmctl-attestation"

  /// `environment` holds the variables of `Proxy.environmentNames`; the lists of revoked
  /// intermediates come from `certificates`.
  public init(
    anchors: TrustAnchors, environment: [String: String], certificates: any CertificateSource
  ) {
    (self.anchors, self.environment) = (anchors, environment)
    self.certificates = certificates
  }

  // MARK: An appliance

  /// Asks and judges.
  public func verify(_ url: ApplianceURL) -> Finding {
    let deadline = Instant.now().adding(seconds: seconds)
    let nonce = Nonce.random()
    var finding: Finding
    do throws(NetworkFault) {
      let connection = try Dialer(environment: environment).secure(to: url.place, until: deadline)
      let answer = try HTTPAnswer.get(
        "\(Self.target)?nonce=\(nonce.hex)", of: url.place.authority,
        over: SecureStream(connection), bodyBytesMax: EvidenceDocument.bytesMax)
      finding = judge(answer, connection, nonce, url, until: deadline)
    } catch {
      finding = judge(error)
    }
    finding.appraisal.url = url.text
    return finding
  }

  private func judge(
    _ answer: HTTPAnswer, _ connection: TLSConnection, _ nonce: Nonce, _ url: ApplianceURL,
    until deadline: Instant
  ) -> Finding {
    let now = WallTime.now()
    let evidence = SavedEvidence(
      document: answer.body, peer: connection.peer, url: url.text, nonce: nonce, time: now,
      tlsVersion: connection.version)
    let webPKI: Occasion.WebPKI =
      checksWebPKI ? connection.trust == .trusted ? .valid : .invalid : .notChecked
    let appraisal = appraise(evidence, on: .connection(webPKI: webPKI), at: now, until: deadline)
    guard answer.status == 200 || (answer.status == 503 && appraisal.token == .notAttested) else {
      return judge(status: answer.status)
    }
    var finding = Finding(appraisal)
    finding.evidence = evidence
    if checksWebPKI, let words = connection.trust.words {
      finding.remarks.append("A browser would not trust this server: \(words).")
    }
    finding.remarks += ClockWords(
      own: now, server: answer.date, trust: checksWebPKI ? connection.trust : nil,
      isChainOutOfTime: appraisal.failures.contains(where: \.isOutOfTime)
    ).lines
    finding.remarks += openQuestions(appraisal)
    return finding
  }

  /// What a good verdict leaves open because nobody asked for more.
  private func openQuestions(_ appraisal: Appraisal) -> [String] {
    guard appraisal.verdict == .proven else { return [] }
    var lines: [String] = []
    if appraisal.platform == .snp, !rules.expectations.pcrs.isEmpty {
      lines.append("This platform shows no boot chain: what you expect of PCRs was not compared.")
    }
    if rules.platform == nil || rules.expectations.namesNothing {
      lines.append(
        "Without --platform and an expected measurement or boot chain, a genuine machine of "
          + "anybody else passes, too.")
    }
    return lines
  }

  // MARK: Saved evidence

  /// Judges evidence again, by the clock `time`, without network.
  public func verify(_ evidence: SavedEvidence, at time: WallTime) -> Finding {
    var finding = Finding(appraise(evidence, on: .saved, at: time, until: nil))
    finding.appraisal.url = evidence.url
    finding.remarks = ["This evidence was saved at \(evidence.time.civil.rfc3339)."]
    return finding
  }

  // MARK: Judging

  private func appraise(
    _ evidence: SavedEvidence, on occasion: Occasion, at time: WallTime, until deadline: Instant?
  ) -> Appraisal {
    func verdict(_ rules: Rules) -> Appraisal {
      guard let key = (try? SHA256())?.digest(of: evidence.peer.publicKey.span) else {
        return Verifier(anchors: anchors, at: time, rules: rules)
          .appraisal(of: .tls, isUnreachable: true)
      }
      return Verifier(anchors: anchors, at: time, rules: rules).verify(
        document: evidence.document, nonce: evidence.nonce, key: key, occasion: occasion)
    }
    let first = verdict(rules)
    // AMD is asked only if somebody insists, and only about evidence that needs nothing else.
    guard let deadline, first.token == .crlMissing, let report = first.report,
      let product = first.json["product"]?.string.flatMap({ Product(rawValue: $0) })
    else { return first }
    let service = KeyDistribution(certificates, until: deadline)
    do throws(NetworkFault) {
      var complete = rules
      complete.revocationList = try service.revocationList(of: product, report.keyKind)
      return verdict(complete)
    } catch {
      return first
    }
  }

  private func judge(status: Int) -> Finding {
    let token: FailureToken = (300..<400).contains(status) ? .redirect : .httpStatus
    var finding = failed(token, isUnreachable: status == 429 || status >= 500)
    finding.remarks = [
      token == .redirect
        ? "The server answered \(status) and sent us elsewhere; evidence speaks for one "
          + "connection only, so nothing is followed."
        : "The server answered \(status)."
    ]
    return finding
  }

  private func judge(_ fault: NetworkFault) -> Finding {
    var finding =
      switch fault {
      case .oversized: failed(.docSize, isUnreachable: false)
      case .notHTTP: failed(.httpStatus, isUnreachable: false)
      case .handshake, .library: failed(.tls, isUnreachable: true)
      case .unknownName, .unreachable, .proxyRefused, .proxyUnusable, .truncated, .timedOut,
        .refused, .untrusted:
        failed(.connect, isUnreachable: true)
      }
    finding.remarks = ["Connection: \(fault.words)."]
    return finding
  }

  private func failed(_ token: FailureToken, isUnreachable: Bool) -> Finding {
    Finding(
      Verifier(anchors: anchors, at: .now(), rules: rules)
        .appraisal(of: token, isUnreachable: isUnreachable))
  }
}

/// A verdict, and what else a person should know of it.
public struct Finding: Sendable {
  public var appraisal: Appraisal
  /// Sentences.
  public var remarks: [String] = []
  /// Nil if no document came, or if it was saved before.
  public var evidence: SavedEvidence?

  init(_ appraisal: Appraisal) { self.appraisal = appraisal }

  /// Everything for programs.
  public var json: JSONObject {
    var json = appraisal.json
    json["remarks"] = .array(remarks.map(JSONValue.string))
    return json
  }

  /// Everything for people, one line each; the last one says what it all means.
  public var lines: [String] {
    var lines = appraisal.lines
    lines.insert(contentsOf: remarks, at: max(0, lines.count - 1))
    return lines
  }
}

extension FailureToken {
  /// True if a certificate of the chain is not valid at the time of the check.
  var isOutOfTime: Bool { self == .arkTime || self == .askTime || self == .vekTime }
}

extension Expectations {
  /// True if nothing is expected of the software or of the machine.
  var namesNothing: Bool { measurements.isEmpty && pcrs.isEmpty }
}
