package oracle

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// chance is true in n of 100 cases.
func chance(r *rand.Rand, n int) bool { return r.IntN(100) < n }

func maybe[T any](r *rand.Rand, v T) *T {
	if chance(r, 30) {
		return nil
	}
	return &v
}

// text is text with what trips up quoting and the taking apart of statements.
func text(r *rand.Rand) string {
	return pick(r, "", "a", "b", "Jane", "O'Neil", `back\slash`, `"quoted"`, "?", "?0", "$1", "$$", "/* no", "-- no",
		"line\nbreak", "tab\t", "\x01\x1f", "ünï", "日本", "😀", "NULL", "null", "{}", "[1]", "1", "1e2", "0x10", "; DELETE",
		"WHERE 1=1", "RETURNING *", "\\'", "'", "''", "`", "\u2028", "a&b<c>", "e\u0301", "veto", "\u007f", " x ", `\x41`)
}

func word(r *rand.Rand) string { return pick(r, "red", "green", "blue", "O'x", "ü", "") }

func integer(r *rand.Rand) int64 {
	return pick(r, 0, 1, -1, 7, int64(r.IntN(100)), int64(r.IntN(100)), math.MaxInt64, -999, 1<<53+1)
}

func float(r *rand.Rand) float64 {
	return pick(r, 0, 1, -1, 0.1, 1.0/3, 1e21, 1e-7, 123456789.125, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.Copysign(0, -1), float64(r.IntN(1000))/8)
}

func float32s(r *rand.Rand) float32 { return pick[float32](r, 0, 1, 0.1, -2.5, 1.0/3, 1e10, 16777217) }

func data(r *rand.Rand) []byte {
	return pick(r, nil, []byte{}, []byte{0}, []byte("text"), []byte{0xff, 0xfe, 0}, []byte(`\x00`), make([]byte, 80))
}

func when(r *rand.Rand) time.Time {
	zone := pick(r, time.UTC, time.FixedZone("", 3600), time.FixedZone("", -5*3600-1800))
	base := pick(r, time.Date(2024, 2, 29, 23, 59, 59, 0, zone), time.Date(1969, 12, 31, 12, 0, 0, 0, zone),
		time.Date(2038, 1, 19, 3, 14, 7, 0, zone), time.Date(1, 1, 2, 0, 0, 0, 0, zone))
	return base.Add(time.Duration(pick(r, 0, 1, 123456, 500000, 999999)) * time.Microsecond)
}

func price(r *rand.Rand) string {
	return pick(r, "0", "1.00", "12.5", "0.005", "-3.14", "99999999.99", "7", fmt.Sprint(r.IntN(100)))
}

func doc(r *rand.Rand) json.RawMessage {
	return json.RawMessage(pick(r, `{}`, `{"a":1}`, `{"b":[1,2,{"c":null}],"aa":"x'y"}`, `{"a":1.50,"b":1e2,"c":1E-3}`, `[]`,
		`"text"`, `12345678901234567890`, `{"a":1,"a":2}`, `{"é":"\u00e9\n"}`, `true`, `0.1`, `{"k":"<&>\u2028"}`, `-0.0`, `1e2`))
}

func object(r *rand.Rand) map[string]any {
	return pick(r, nil, map[string]any{}, map[string]any{"a": 1, "bb": "x'y", "c": []any{true, nil, 1.5}}, map[string]any{"?": "$1"})
}

// uuid is one of a few.
func uuid(r *rand.Rand) string {
	return fmt.Sprintf("018f0000-0000-7000-8000-%012x", r.IntN(12))
}
