import Testing

@testable import PMAttest

@Suite struct FailureTokenTests {
  /// The closed set as the specification of attestation writes it, group by group.
  static let specified = """
    config-platform kmsg-unreadable kmsg-no-snp kmsg-no-isolation edge-key appraise-failed listen
    device-missing device-type device-driver device-errno device-length device-busy device-firmware
    device-key-disabled device-response
    tpm-missing tpm-io tpm-object tpm-rc tpm-busy tpm-response hcl-stale
    collateral-missing collateral-fetch cert-table
    doc-size doc-json doc-format not-attested doc-platform doc-member chain-count nonce tls-key
    claims
    hcl-size hcl-magic hcl-version hcl-request-type hcl-data-version hcl-report-type hcl-hash
    hcl-var-size hcl-data-size runtime-hash runtime-json ak user-data
    quote-sig quote-magic quote-nonce quote-select quote-parse quote-pcr
    size version sig-algo policy-mbo policy-mbz keyinfo-mbz signing-key reserved sig-range
    signer-kind report-sig fms-product tcb-mbz tcb-cert chip-masked chip-id tcb-order report-data
    cert-parse ark-pin ark-alg ark-rsa ark-issuer ark-sig ark-time ask-alg ask-rsa
    ask-issuer ask-sig ask-time ask-ca ask-cn vek-alg vek-rsa vek-issuer vek-sig vek-time
    vek-cn vek-key
    ext-missing ext-dup ext-int ext-str ext-struct ext-product ext-spare ext-hwid ext-csp
    debug migrate-ma vmpl product-milan tcb-floor fw-floor mitigation platform-info id-key
    measurement pcr chip csp
    web-pki claims-expected crl-missing crl-sig crl-time crl-revoked connect tls
    http-status redirect
    """.split { $0 == " " || $0 == "\n" }.map(String.init)

  static let retryable: Set<String> = [
    "appraise-failed", "listen", "device-busy", "tpm-io", "tpm-busy", "hcl-stale",
    "collateral-missing", "collateral-fetch", "ark-time", "ask-time", "vek-time",
  ]

  @Test func theSetIsTheSpecifiedOne() {
    #expect(FailureToken.allCases.map(\.rawValue) == Self.specified)
    #expect(
      Warning.allCases.map(\.rawValue) == ["milan-weak", "provisional", "floor-override"])
  }

  @Test(arguments: FailureToken.allCases)
  func whatMayHealIsTriedAgain(_ token: FailureToken) {
    #expect(token.isRetryable == Self.retryable.contains(token.rawValue))
  }

  @Test(arguments: FailureToken.allCases)
  func everyTokenExplainsItselfInOneSentence(_ token: FailureToken) {
    #expect(token.explanation.hasSuffix("."))
    #expect(!token.explanation.dropLast().contains(". "))
    #expect(!token.advice.isEmpty)
  }

  @Test func noTwoTokensSayTheSame() {
    #expect(Set(FailureToken.allCases.map(\.explanation)).count == FailureToken.allCases.count)
  }

  @Test(arguments: [FailureToken.arkTime, .askTime, .vekTime])
  func theAdviceAboutTimeNamesTheClock(_ token: FailureToken) {
    #expect(token.advice.contains("clock"))
  }
}
