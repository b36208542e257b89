import PMJSON
import PMWire
import Testing

private func read(_ text: String) throws(ConfigurationError) -> Configuration {
  try Configuration.read(Array(text.utf8))
}

private func error(_ text: String) -> ConfigurationError? {
  do throws(ConfigurationError) {
    _ = try read(text)
    return nil
  } catch {
    return error
  }
}

@Suite struct ConfigurationTests {
  @Test func anEmptyFileIsTheDefaults() throws {
    #expect(try read("{}") == Configuration())
    #expect(try read(#"{"tls":null,"limits":{},"publicName":null}"#) == Configuration())
    let development = try read(#"{"profile":"development"}"#)
    #expect(development.listen.https == 8443)
    #expect(development.listen.http == 8080)
    #expect(development.listen.loopbackOnly)
    #expect(try read(#"{"listen":{"https":9443},"profile":"development"}"#).listen.http == 8080)
  }

  @Test func commentsAreAllowed() throws {
    let text = """
      // The appliance
      { /* where */ "publicName": "api.example.org", // what clients say
        "listen": { "https": 8443 } }
      """
    #expect(try read(text).publicName == "api.example.org")
  }

  @Test(arguments: [
    (#"{"typo":1}"#, "typo"), (#"{"tls":{"cert":"/a"}}"#, "tls.cert"),
    (#"{"limits":{"global":{"request":1}}}"#, "limits.global.request"),
    (#"{"edge":{"Threads":1}}"#, "edge.Threads"), (#"{"keys":{"":1}}"#, "keys."),
    (#"{"vendor":{"environment":{"LD_PRELOAD":"/x"}}}"#, "vendor.environment.LD_PRELOAD"),
    (#"{"admin":{"password":"x"}}"#, "admin.password"),
    (#"{"control":{"root":[0]}}"#, "control.root"),
    (#"{"attestation":{"skip":true}}"#, "attestation.skip"), (#"{"skipGate":true}"#, "skipGate"),
    (#"{"listen":{"x":null}}"#, "listen.x"),
  ])
  func unknownMembersAreNamed(_ text: String, _ member: String) {
    #expect(error(text) == ConfigurationError(member, .unknown))
  }

  @Test func membersStandOnce() {
    #expect(
      error(#"{"profile":"production","profile":"development"}"#)
        == ConfigurationError("configuration", .duplicate(offset: 25)))
    #expect(error(#"{"tls":{"key":"/a","key":"/b"}}"#)?.fault == .duplicate(offset: 20))
    #expect(error("{")?.fault == .notJSON(offset: 1))
    #expect(error("")?.fault == .notJSON(offset: 0))
    #expect(error("[]") == ConfigurationError("configuration", .wrongType("an object")))
  }

  @Test(arguments: [
    (#"{"tls":[]}"#, "tls", "an object"), (#"{"publicName":1}"#, "publicName", "a string"),
    (#"{"listen":{"https":"443"}}"#, "listen.https", "an integer"),
    (#"{"listen":{"https":443.0}}"#, "listen.https", "an integer"),
    (#"{"listen":{"loopbackOnly":1}}"#, "listen.loopbackOnly", "true or false"),
    (#"{"edge":{"corsOrigins":["a",1]}}"#, "edge.corsOrigins", "a list of strings"),
    (#"{"edge":{"corsOrigins":"a"}}"#, "edge.corsOrigins", "a list of strings"),
    (#"{"edge":{"trustedProxies":["10.0.0.0/33"]}}"#, "edge.trustedProxies", "a list of networks"),
    (#"{"control":{"admins":["root"]}}"#, "control.admins", "a list of integers"),
    (#"{"vendor":{"environment":{"TMPDIR":1}}}"#, "vendor.environment.TMPDIR", "a string"),
    (#"{"vendor":{"sha256":"AB"}}"#, "vendor.sha256", "64 lower-case hexadecimal digits"),
  ])
  func typesAreChecked(_ text: String, _ member: String, _ type: String) {
    let found = error(text)
    #expect(found?.member == member)
    guard case .wrongType(let wanted) = found?.fault else {
      Issue.record("\(String(describing: found))")
      return
    }
    #expect(wanted.text == type)
  }

  static let ranges: [(section: String, member: String, low: Int64, high: Int64)] = [
    ("listen", "https", 1, 65_535), ("listen", "http", 1, 65_535), ("edge", "threads", 1, 64),
    ("edge", "connectionsMax", 1, 1_000_000), ("edge", "connectionsPerAddressMax", 1, 1_000_000),
    ("edge", "handshakesPerAddressPerSecond", 1, 1_000_000),
    ("edge", "keylessRequestsPerAddressPerSecond", 1, 1_000_000),
    ("limits", "jsonBodyBytesMax", 1024, 50_331_648),
    ("limits", "audioBodyBytesMax", 1024, 134_217_728),
    ("vendor", "port", 1, 65_535), ("vendor", "startDeadlineSeconds", 1, 3600),
    ("vendor", "drainSeconds", 0, 3600),
  ]

  @Test func numbersAreInTheirRange() {
    for (section, member, low, high) in Self.ranges {
      func text(_ value: Int64) -> String { #"{"\#(section)":{"\#(member)":\#(value)}}"# }
      let refused = ConfigurationError("\(section).\(member)", .outOfRange(low, high))
      #expect(error(text(low)) == nil, "\(member)")
      #expect(error(text(high)) == nil, "\(member)")
      #expect(error(text(low - 1)) == refused, "\(member)")
      #expect(error(text(high + 1)) == refused, "\(member)")
    }
    for window in ["global", "address"] {
      func text(_ member: String, _ value: Int64) -> String {
        #"{"limits":{"\#(window)":{"\#(member)":\#(value)}}}"#
      }
      #expect(error(text("requests", 1_000_000_000)) == nil)
      #expect(error(text("requests", 1_000_000_001))?.member == "limits.\(window).requests")
      #expect(error(text("requests", 0)) != nil)
      #expect(error(text("windowSeconds", 86_400)) == nil)
      #expect(error(text("windowSeconds", 86_401)) != nil)
      #expect(error(text("windowSeconds", 0)) != nil)
    }
    // The last number is no uid but "no change" to the kernel.
    #expect(error(#"{"control":{"admins":[4294967294]}}"#) == nil)
    #expect(error(#"{"control":{"admins":[4294967295]}}"#) != nil)
    #expect(error(#"{"control":{"readers":[-1]}}"#) != nil)
  }

  @Test func pathsAreAbsolute() {
    for text in [
      #"{"tls":{"certificate":"cert.pem"}}"#, #"{"stateDirectory":""}"#,
      #"{"keys":{"file":"~/k"}}"#,
      #"{"vendor":{"binary":"./proxy"}}"#, #"{"admin":{"passwordFile":"x"}}"#,
    ] {
      #expect(error(text)?.fault == .notAbsolute, "\(text)")
    }
  }

  @Test func wordsAreOfTheirList() {
    #expect(
      error(#"{"profile":"Production"}"#)
        == ConfigurationError("profile", .notOneOf(["production", "development"])))
    #expect(error(#"{"vendor":{"nvidiaOcsp":"off"}}"#)?.member == "vendor.nvidiaOcsp")
    #expect(error(#"{"attestation":{"platform":"none"}}"#)?.member == "attestation.platform")
  }

  @Test func theStandInsVariablesAreForDevelopment() {
    let environment = #""vendor":{"environment":{"PM_STANDIN_SCENARIO":"/x"}}"#
    #expect(error("{\(environment)}")?.fault == .notAllowedInProduction)
    #expect(error(#"{"profile":"development",\#(environment)}"#) == nil)
    // The order of members does not matter.
    #expect(error(#"{\#(environment),"profile":"development"}"#) == nil)
  }

  @Test func productionNeedsItsParts() throws {
    func fault(_ text: String) throws -> ConfigurationError? {
      let configuration = try read(text)
      do throws(ConfigurationError) {
        try configuration.validate()
        return nil
      } catch {
        return error
      }
    }
    let digest = String(repeating: "0", count: 64)
    let tls = #""tls":{"certificate":"/c","key":"/k"}"#
    // A key that is born in the box needs nothing, and a certificate for it may come later.
    #expect(try fault("{}")?.member == "vendor.binary")
    #expect(try fault(#"{"tls":{"certificate":"/c"}}"#)?.member == "vendor.binary")
    #expect(try fault(#"{"tls":{"key":"/k"}}"#)?.member == "tls.certificate")
    #expect(try fault("{\(tls)}")?.member == "vendor.binary")
    #expect(try fault(#"{\#(tls),"vendor":{"binary":"/b"}}"#)?.member == "vendor.sha256")
    let whole = #"\#(tls),"vendor":{"binary":"/b","sha256":"\#(digest)"}"#
    #expect(try fault("{\(whole)}") == nil)
    #expect(
      try fault(#"{\#(whole),"listen":{"loopbackOnly":true}}"#)?.fault == .notAllowedInProduction)
    #expect(try fault(#"{"profile":"development"}"#) == nil)
    #expect(try fault(#"{"profile":"development","tls":{"key":"/k"}}"#) != nil)
    #expect(
      try fault(#"{"profile":"development","tls":{"certificate":"/c"}}"#)?.member == "tls.key")
  }

  // MARK: Attestation

  @Test func attestationIsReadAsItWasWritten() throws {
    let digest = String(repeating: "0a", count: 48)
    let text = """
      {"profile":"development","attestation":{"platform":"azure-snp-vtpm","profile":"strict",
       "idKeys":["\(digest)"],"measurements":["\(digest)"],"collateral":"offline",
       "minTCB":{"Genoa/17/1":{"bl":10,"snp":23,"ucode":84}}}}
      """
    let attestation = try read(text).attestation
    #expect(attestation.platform == .azure && attestation.profile == .strict)
    #expect(attestation.minTCB == ["Genoa/17/1": ["bl": 10, "snp": 23, "ucode": 84]])
    #expect(try Attestation(json: .object(attestation.json)) == attestation)
  }

  @Test(arguments: [
    #""platform":"sev""#, #""idKeys":["00"]"#, #""measurements":"x""#, #""minTCB":{"a":1}"#,
    #""minTCB":{"Genoa/17/1":{"bl":256}}"#, #""profile":"lax""#, #""skip":true"#,
  ])
  func attestationIsReadStrictly(_ member: String) {
    #expect(throws: ConfigurationError.self) {
      try read(#"{"profile":"development","attestation":{\#(member)}}"#)
    }
  }

  // MARK: Parts

  private static let everything = """
    {"profile":"development","stateDirectory":"/s","runtimeDirectory":"/r","programDirectory":"/p",
     "listen":{"https":1,"http":2,"loopbackOnly":false},"publicName":"x.example",
     "tls":{"certificate":"/c","key":"/k","challengeDirectory":"/d"},
     "edge":{"threads":3,"connectionsMax":4,"connectionsPerAddressMax":5,
             "handshakesPerAddressPerSecond":6,"keylessRequestsPerAddressPerSecond":7,
             "trustedProxies":["10.1.2.3/8","2001:db8::/33"],"corsOrigins":["https://a"]},
     "limits":{"global":{"requests":6,"windowSeconds":7},"address":{"requests":8,"windowSeconds":9},
               "jsonBodyBytesMax":2000,"audioBodyBytesMax":3000},
     "keys":{"file":"/keys"},
     "vendor":{"binary":"/b","port":10,"drainSeconds":11,"startDeadlineSeconds":12,
     "apiKeyFile":"/a"},
     "admin":{"passwordFile":"/w"},"control":{"admins":[1],"operators":[2],"readers":[3]},
     "attestation":{"platform":"snp","profile":"strict","collateral":"offline"},
     "receipts":{"contentDigests":false}}
    """

  @Test func aPartIsReadByTheSameReader() throws {
    let whole = try read(Self.everything)
    for role in Role.allCases {
      let part = try Configuration.read(whole.part(for: role).utf8)
      #expect(part.profile == .development, "\(role)")
      #expect(part.runtimeDirectory == "/r", "\(role)")
      // Reading it again changes nothing.
      #expect(try Configuration.read(part.part(for: role).utf8) == part, "\(role)")
      // Only pmctl knows these.
      #expect(part.adminPasswordFile == nil && part.attestation == Attestation(), "\(role)")
      #expect(part.control.readerUIDs.isEmpty && part.control.operatorUIDs.isEmpty, "\(role)")
      // Core lets administrators change prices and keys.
      #expect(part.control.adminUIDs == (role == .core ? [1] : []), "\(role)")
      #expect(part.vendor.apiKeyFile == nil && part.vendor.binary == nil, "\(role)")
    }
  }

  @Test func eachRoleGetsWhatItNeedsAndNoMore() throws {
    let whole = try read(Self.everything)
    let edge = try Configuration.read(whole.part(for: .edge).utf8)
    #expect(edge.listen == whole.listen)
    #expect(edge.tls == whole.tls)
    #expect(edge.challengeDirectory == "/d")
    #expect(edge.edge == whole.edge)
    #expect(edge.limits == whole.limits)
    #expect(edge.publicName == "x.example")
    #expect(edge.keysFile == nil)
    let core = try Configuration.read(whole.part(for: .core).utf8)
    #expect(core.limits == whole.limits)
    #expect(core.keysFile == "/keys")
    #expect(core.vendor.port == 10)
    #expect(core.vendor.drainSeconds == 11)
    #expect(core.stateDirectory == "/s")
    #expect(!core.receipts.hasContentDigests && Configuration().receipts.hasContentDigests)
    #expect(core.tls == Configuration().tls)
    let admin = try Configuration.read(whole.part(for: .admin).utf8)
    #expect(admin.limits == whole.limits)
    #expect(admin.stateDirectory == Configuration().stateDirectory)
    #expect(admin.tls == Configuration().tls && admin.keysFile == nil)
  }

  @Test func everyFaultIsASentence() {
    let faults: [ConfigurationError.Fault] = [
      .unreadable(errno: 13), .notJSON(offset: 1), .duplicate(offset: 2), .unknown, .wrongType("x"),
      .outOfRange(1, 2), .notOneOf(["a", "b"]), .missing, .setTwice, .notAbsolute,
      .notAllowedInProduction, .onlyTogetherWith("y"), .exampleValue,
    ]
    let texts = Set(faults.map { ConfigurationError("tls.key", $0).description })
    #expect(texts.count == faults.count)
    #expect(texts.allSatisfy { $0.hasPrefix("tls.key ") })
  }
}
