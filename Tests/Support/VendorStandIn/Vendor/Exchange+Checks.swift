/// What the binary looks at before it forwards: shard key, salt, model, form.
extension Exchange {
  /// A salt is counted in bytes, as Go counts.
  private static let saltBytesMin = 32
  /// Text above this many estimated tokens has no shard key.
  private static let shardTokensMax = 1_000_000

  func prepare(_ route: Route, _ body: Bytes) throws(Refusal) -> Call {
    var call = Call(route: route, body: body)
    if route == .transcriptions {
      try prepareForm(&call)
      return call
    }
    let parsed = readJSON(body)
    if route.takesSalt {
      try checkSalt(parsed, body, &call)
      standIn.log.info("Mutating full request body")
    }
    switch parsed {
    case .failure(let fault):
      throw .binary(500, BinaryText.unreadableModel + "decoding JSON: \(fault.goText)")
    case .success(let json):
      guard json.isObject else {
        throw .binary(
          500,
          BinaryText.unreadableModel
            + "decoding JSON: json: cannot unmarshal into Go value of type struct")
      }
      call.json = json
    }
    call.model = try model(call.json)
    call.isStream = call.json["stream"]?.isTrue == true
    standIn.log.info("Mutating request")
    note(call)
    return call
  }

  private func readJSON(_ body: Bytes) -> Result<JSON, JSONFault> {
    do throws(JSONFault) {
      return .success(try JSONReader.read(body))
    } catch {
      return .failure(error)
    }
  }

  private func checkSalt(
    _ parsed: Result<JSON, JSONFault>, _ body: Bytes, _ call: inout Call
  ) throws(Refusal) {
    call.salt = standIn.sharedSalt
    guard case .success(let json) = parsed else { return }
    if let salt = json["cache_salt"]?.string, !salt.isEmpty { call.salt = salt }
    guard let salt = call.salt else { return }
    guard Prompt(json, body).text.count / 4 <= Self.shardTokensMax else {
      throw .binary(500, BinaryText.contextTooLarge)
    }
    guard salt.count >= Self.saltBytesMin else { throw .binary(500, BinaryText.shortSalt) }
  }

  /// The binary decodes `model` ignoring letter case, the last one winning.
  private func model(_ json: JSON) throws(Refusal) -> Bytes {
    let last = json.members.last { $0.name.isEqualIgnoringCase("model") }
    guard let value = last?.value, !value.isNull else { throw .binary(500, BinaryText.noModel) }
    guard let model = value.string else {
      throw .binary(
        500,
        BinaryText.unreadableModel
          + "decoding JSON: json: cannot unmarshal into Go struct field .model of type string")
    }
    guard !model.isEmpty else { throw .binary(500, BinaryText.noModel) }
    guard model.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
      throw .binary(
        500,
        "forwarding request: Post \"https://\(standIn.options.apiEndpoint)\(head.path.text)\": "
          + "net/http: invalid header field value for \"Privatemode-Target-Model\"")
    }
    return model
  }

  private func prepareForm(_ call: inout Call) throws(Refusal) {
    do throws(FormFault) {
      call.form = try Form(call.body, contentType: head["content-type"] ?? [])
    } catch {
      throw .binary(500, BinaryText.unreadableModel + "parsing form: \(error.goText)")
    }
    standIn.log.info("Mutating HTTP form request")
    guard let model = call.form.values["model"], !model.isEmpty else {
      throw .binary(500, BinaryText.noModel)
    }
    call.model = model
    note(call)
  }

  private func note(_ call: Call) {
    record.model = call.model
    record.cacheSalt = call.salt
    record.isStream = call.isStream
  }
}
