/// Why the exchange with the pretend deployment failed.
enum ExchangeFault: Error {
  case network
  case unauthorized
  case attestation
  case manifestMismatch
  case manifestUnparseable
  case logging(ManifestFault)

  /// Attempts the vendor makes before it gives up.
  static let attempts = 3

  /// The tail that the vendor puts behind `trying API key: `.
  var goText: String {
    let count = isFinal ? 1 : Self.attempts
    let lines = (1...count).map { "\n#\($0): \(reason)" }
    return "setting secrets: All attempts fail:" + lines.joined()
  }

  /// A mismatch is not tried again.
  var isFinal: Bool {
    if case .manifestMismatch = self { true } else { false }
  }

  private var reason: String {
    switch self {
    case .network:
      "updating CA: fetching manifest: "
        + "Get \"https://cdn.confidential.cloud/privatemode/v2/manifest.json\": "
        + "dial tcp: lookup cdn.confidential.cloud: no such host"
    case .unauthorized:
      "updating CA: getting attested certificate: doing attest request: Unauthorized: "
        + BinaryText.invalidKeyBody
    case .attestation:
      "updating CA: getting attested certificate: validating attestation: "
        + "report signature is not valid"
    case .manifestMismatch:
      "updating CA: verifying manifest: active manifest does not match expected manifest"
    case .manifestUnparseable:
      "updating CA: getting attested certificate: validating attestation: "
        + "unmarshalling manifest: json: unknown field \"ReferenceValuesV2\""
    case .logging(let fault):
      "updating CA: logging manifest: \(fault.goText)"
    }
  }
}

/// Fetching the manifest, attesting and exchanging the secret, as the scenario plays it.
struct SecretExchange: Sendable {
  /// Pauses between attempts double from this one, in milliseconds.
  private static let firstPauseMilliseconds = 1000
  static let staleText = "exchanging secret: unknown coordinator certificate"

  let scenario: Scenario
  let options: Options
  let manifests: ManifestLog
  let log: Log

  func run(isKeyAccepted: Bool) throws(ExchangeFault) {
    var pause = Self.firstPauseMilliseconds
    for attempt in 1...ExchangeFault.attempts {
      do throws(ExchangeFault) {
        return try attemptOnce(isKeyAccepted: isKeyAccepted)
      } catch {
        if error.isFinal || attempt == ExchangeFault.attempts { throw error }
      }
      Clock.sleep(milliseconds: scenario.scaled(pause))
      pause *= 2
    }
  }

  private func attemptOnce(isKeyAccepted: Bool) throws(ExchangeFault) {
    if scenario.boot == .noNetwork { throw .network }
    if let fault = updateManifest() { throw .logging(fault) }
    switch scenario.boot {
    case .badKey: throw .unauthorized
    case .attestationFail: throw .attestation
    case .manifestMismatch: throw .manifestMismatch
    case .manifestUnparseable: throw .manifestUnparseable
    case .ok, .hang, .noNetwork: break
    }
    guard isKeyAccepted else { throw .unauthorized }
    Clock.sleep(milliseconds: scenario.delayMilliseconds)
    log.info(
      "Validate succeeded",
      ["component": "contrast-client", "validator.name": "snp-0-GENOA"])
  }

  /// Fetches the manifest and logs it before anything is verified; nothing with `--manifestPath`.
  func updateManifest() -> ManifestFault? {
    guard options.manifestPath.isEmpty else { return nil }
    log.info("Coordinator manifest fetched successfully")
    do throws(ManifestFault) { try manifests.append() } catch { return error }
    return nil
  }
}
