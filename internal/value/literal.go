package value

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/uptrace/bun/schema"
)

// elemKind is the kind of the elements of an array column.
func elemKind(f *schema.Field) Kind {
	name := f.UserSQLType
	if name == "" {
		name = f.DiscoveredSQLType
	}
	for strings.HasSuffix(name, "]") {
		name = name[:strings.LastIndexByte(name, '[')]
	}
	k, _ := kindOfSQLType(name)
	return k
}

// appendArrayLiteral appends a JSON array as PostgreSQL prints an array of
// such elements, quotes included: Bun's scanners depend on them.
func appendArrayLiteral(b []byte, k Kind, raw []byte) []byte {
	var elems []json.RawMessage
	if json.Unmarshal(raw, &elems) != nil {
		return append(b, raw...)
	}
	b = append(b, '{')
	for i, e := range elems {
		if i > 0 {
			b = append(b, ',')
		}
		e = bytes.TrimSpace(e)
		switch {
		case e[0] == 'n':
			b = append(b, "NULL"...)
		case e[0] == '"' && k != KindJSON:
			b = appendArrayElem(b, elemText(k, unquote(e)))
		case e[0] == '[' && k != KindJSON:
			b = appendArrayLiteral(b, k, e)
		case k == KindBool && (e[0] == 't' || e[0] == 'f'):
			b = append(b, e[0])
		default:
			b = appendArrayElem(b, string(e))
		}
	}
	return append(b, '}')
}

// elemText is an element as PostgreSQL prints it.
func elemText(k Kind, s string) string {
	switch k {
	case KindBytes:
		if bs, err := base64.StdEncoding.DecodeString(s); err == nil {
			return `\x` + hex.EncodeToString(bs)
		}
	case KindTimestampTZ:
		if t, ok := parseTime(s); ok {
			return t.Format("2006-01-02 15:04:05.999999+00")
		}
	case KindTimestamp:
		if t, ok := parseTime(s); ok {
			return t.Format("2006-01-02 15:04:05.999999")
		}
	}
	return s
}

func appendArrayElem(b []byte, s string) []byte {
	if s != "" && !strings.EqualFold(s, "null") && !strings.ContainsAny(s, "\"\\{}, \t\n\r\v\f") {
		return append(b, s...)
	}
	return appendQuoted(b, s)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendHstoreLiteral appends a JSON object of strings as hstore prints it.
func appendHstoreLiteral(b, raw []byte) []byte {
	var pairs map[string]*string
	if json.Unmarshal(raw, &pairs) != nil {
		return append(b, raw...)
	}
	names := make([]string, 0, len(pairs))
	for name := range pairs {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	for i, name := range names {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendQuoted(b, name)
		b = append(b, "=>"...)
		if v := pairs[name]; v != nil {
			b = appendQuoted(b, *v)
		} else {
			b = append(b, "NULL"...)
		}
	}
	return b
}
