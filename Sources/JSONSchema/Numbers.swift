import JSON

/// Numbers as JSON Schema compares them: 1.0 is an integer.
enum Numbers {
    static func value(_ json: JSON) -> Double? {
        switch json {
        case .integer(let number): Double(number)
        case .real(let number): number
        default: nil
        }
    }

    static func count(_ json: JSON) -> Int? { value(json).flatMap { Int(exactly: $0) } }

    static func isMultiple(_ number: Double, of unit: Double) -> Bool {
        let times = number / unit
        return times.isFinite ? times == times.rounded() : number.truncatingRemainder(dividingBy: unit) == 0
    }
}
