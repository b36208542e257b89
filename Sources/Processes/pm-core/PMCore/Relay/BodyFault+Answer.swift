import PMWire

extension BodyFault {
  /// What its client is told.
  var answer: APIError {
    switch self {
    case .notJSON: .badJSON
    case .ambiguous: .ambiguousBody
    case .modelMissing: .modelMissing
    case .badForm: .badForm
    case .streamedForm: .formStream
    case .unknownFormat: .formFormat
    case .tooLarge: .requestTooLarge
    case .contentType: .contentType
    case .tooManyAnswers: .tooManyAnswers
    }
  }
}
