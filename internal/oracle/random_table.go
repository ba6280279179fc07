package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// randomTable makes up a table and its model: names, types, tags and the key
// come from r. What statements need to know of it is found by the same rules as
// of the tables that are written by hand.
func randomTable(r *rand.Rand, n int, f flavour) *table {
	d := &design{r: r, t: table{sql: f, name: fmt.Sprintf(pick(r, "made%d", "Made%d", "made up %d", "größe%d"), n), alias: fmt.Sprintf("t%d", n)}}
	if chance(r, 20) {
		d.t.alias = fmt.Sprintf("odd alias %d", n)
	}
	d.wholly = chance(r, 60)
	options := ""
	if d.wholly {
		options = ",audit"
	}
	d.structField(reflect.StructField{Name: "BaseModel", Type: reflect.TypeFor[bun.BaseModel](), Anonymous: true},
		fmt.Sprintf("table:%s,alias:%s,audit_label:Made%d%s", d.t.name, d.t.alias, n, options))
	d.key()
	d.t.num = d.column("num", kindInt, pick(r, "num", "Num", "order", "n m"))
	d.t.text = d.column("text", kindText, pick(r, "text", "Text", "select", "größe", "a b"))
	for i := range r.IntN(6) {
		k := pick(r, kindText, kindInt, kindFloat, kindReal, kindNumeric, kindBool, kindTime, kindBytes, kindJSON)
		d.column(fmt.Sprint("col", i), k, fmt.Sprintf(pick(r, "c%d", "C%d", "user %d"), i))
	}
	if !d.t.partitioned && chance(r, 30) { // a partitioned table's have the key among their columns
		d.t.unique = d.t.sql.quote("only one")
		d.add(column{name: "only one", kind: kindText, tracked: d.wholly}, reflect.TypeFor[string](), ",nullzero,unique",
			func(r *rand.Rand) any { return pick(r, "", "", "u1", "u2", "u3", "u4", "u5") })
	}
	if chance(r, 40) {
		d.t.soft = "deleted_at"
		d.add(column{name: "deleted_at", kind: kindTime, tracked: d.wholly}, reflect.TypeFor[time.Time](), ",soft_delete,nullzero",
			func(r *rand.Rand) any { return time.Time{} })
	}
	return d.table()
}

// design is a table that is being made up.
type design struct {
	r      *rand.Rand
	t      table
	wholly bool // every column is tracked unless it says otherwise

	fields []reflect.StructField
	fill   []func(r *rand.Rand) any // of each field; nil: nothing
}

func (d *design) structField(f reflect.StructField, tag string) {
	f.Tag = reflect.StructTag(`bun:"` + tag + `"`)
	d.fields = append(d.fields, f)
	d.fill = append(d.fill, nil)
}

// add adds a column; its tag starts with its name.
func (d *design) add(c column, typ reflect.Type, options string, value func(r *rand.Rand) any) {
	d.structField(reflect.StructField{Name: fmt.Sprintf("F%d", len(d.fields)), Type: typ}, c.name+options)
	d.fill[len(d.fill)-1] = value
	d.t.columns = append(d.t.columns, c)
}

// key makes the key: the same few values come up in every statement.
func (d *design) key() {
	quote := d.t.sql.quote
	switch d.r.IntN(5) {
	case 0:
		d.intKey("id", ",pk,autoincrement")
		d.t.rekeyAll, d.t.copy = "id = id + 100", d.copies("", nil)
	case 1:
		d.intKey("ID no", ",pk")
		id := quote("ID no")
		d.t.rekeyAll = id + " = " + id + " + 100"
		d.t.copy = d.copies(id, func(r *rand.Rand) string { return fmt.Sprintf("%s + %d", id, 1+r.IntN(30)) })
	case 2:
		d.textKey("key", "")
		d.t.rekeyAll = quote("key") + " = " + d.t.sql.concat(quote("key"), "'!'")
		d.t.copy = d.copies(quote("key"), func(r *rand.Rand) string { return d.t.sql.concat(quote("key"), fmt.Sprintf("'%d'", r.IntN(9))) })
	case 3:
		d.add(column{name: "uuid", kind: kindText, key: true}, reflect.TypeFor[string](), ",pk,type:uuid", func(r *rand.Rand) any { return uuid(r) })
		d.t.byKey = func(r *rand.Rand) (string, []any) { return "uuid = ?", []any{uuid(r)} }
		d.t.copy = d.copies("uuid", func(r *rand.Rand) string { return fmt.Sprintf("CASE WHEN 1 = 1 THEN '%s' ELSE uuid END", uuid(r)) })
	case 4:
		d.textKey("key", "")
		d.intKey("Part", ",pk")
		part := quote("Part")
		d.t.byKey = func(r *rand.Rand) (string, []any) {
			return quote("key") + " = ? AND " + part + " = ?", []any{text(r), few(r)}
		}
		d.t.rekeyAll = fmt.Sprintf("(%[1]s, %[2]s) = (%[1]s + 10, %[2]s)", part, quote("key"))
		if d.t.sql == (mariadb{}) {
			d.t.rekeyAll = part + " = " + part + " + 10"
		}
		d.t.copy = d.copies(quote("key")+", "+part, func(r *rand.Rand) string { return fmt.Sprintf("%s, %s + %d", quote("key"), part, 1+r.IntN(20)) })
	}
	var names []string
	for _, c := range d.t.columns {
		names = append(names, quote(c.name))
	}
	d.t.conflict = strings.Join(names, ", ")
	if d.t.partitioned = chance(d.r, 25); d.t.partitioned {
		d.t.rekeyAll = ""
		return
	}
	byKey := d.t.byKey
	d.t.rekey = func(r *rand.Rand) (string, []any) {
		set, args := byKey(r)
		return strings.ReplaceAll(set, " AND ", ", "), args
	}
}

func (d *design) intKey(name, options string) {
	generated := strings.Contains(options, "autoincrement")
	d.add(column{name: name, kind: kindInt, key: true}, reflect.TypeFor[int64](), options, func(r *rand.Rand) any {
		if generated && chance(r, 60) {
			return int64(0)
		}
		return few(r)
	})
	d.t.byKey = func(r *rand.Rand) (string, []any) { return d.t.sql.quote(name) + " = ?", []any{few(r)} }
}

func (d *design) textKey(name, options string) {
	d.add(column{name: name, kind: kindText, key: true}, reflect.TypeFor[string](), ",pk"+options, func(r *rand.Rand) any { return text(r) })
	d.t.byKey = func(r *rand.Rand) (string, []any) { return d.t.sql.quote(name) + " = ?", []any{text(r)} }
}

// copies is the copy of a table whose key's columns are these, with other values.
func (d *design) copies(columns string, values func(r *rand.Rand) string) func(r *rand.Rand) (string, string) {
	return func(r *rand.Rand) (string, string) {
		if columns == "" {
			return d.t.num + ", " + d.t.text, fmt.Sprintf("%d, %s", r.IntN(9), d.t.sql.concat(d.t.text, "'+'"))
		}
		return columns + ", " + d.t.num + ", " + d.t.text, values(r) + fmt.Sprintf(", %d, %s", r.IntN(9), d.t.text)
	}
}

// goTypes are the types of a column, without NULL and with.
var goTypes = map[kind]struct {
	plain, nullable reflect.Type
	value           func(r *rand.Rand) any
	sql             string
}{
	kindText:    {reflect.TypeFor[string](), reflect.TypeFor[*string](), func(r *rand.Rand) any { return text(r) }, ""},
	kindInt:     {reflect.TypeFor[int64](), reflect.TypeFor[*int64](), func(r *rand.Rand) any { return integer(r) }, ""},
	kindFloat:   {reflect.TypeFor[float64](), reflect.TypeFor[*float64](), func(r *rand.Rand) any { return float(r) }, ""},
	kindReal:    {reflect.TypeFor[float32](), reflect.TypeFor[*float32](), func(r *rand.Rand) any { return float32s(r) }, ""},
	kindNumeric: {reflect.TypeFor[string](), reflect.TypeFor[*string](), func(r *rand.Rand) any { return price(r) }, ",type:numeric(12,3)"},
	kindBool:    {reflect.TypeFor[bool](), reflect.TypeFor[*bool](), func(r *rand.Rand) any { return chance(r, 50) }, ""},
	kindTime:    {reflect.TypeFor[time.Time](), reflect.TypeFor[*time.Time](), func(r *rand.Rand) any { return when(r) }, ""},
	kindBytes:   {reflect.TypeFor[[]byte](), reflect.TypeFor[[]byte](), func(r *rand.Rand) any { return data(r) }, ""},
	kindJSON:    {reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.RawMessage](), func(r *rand.Rand) any { return doc(r) }, ",type:jsonb"},
}

// column adds a column of a kind, with a random tag, and returns its quoted name.
func (d *design) column(role string, k kind, name string) string {
	g := goTypes[k]
	c := column{name: name, kind: k, tracked: d.wholly}
	options, typ, value := g.sql, g.plain, g.value
	switch at := d.r.IntN(12); {
	case at == 0 && role != "text":
		options, c.tracked = options+",audit:-", false
	case at == 1 && role != "text":
		options, c.tracked, c.mask = options+",audit:redact", true, "redact"
	case at == 2 && k == kindInt: // of others the oracle can't tell the bytes that are hashed
		options, c.tracked, c.mask = options+",audit:hash", true, "hash"
	case (at < 8 || role == "text") && !d.wholly: // at least one is
		options, c.tracked = options+",audit", true
	}
	needed := role == "num" || role == "text"
	switch d.r.IntN(4) {
	case 0:
		options += ",nullzero"
	case 1:
		if !needed && typ != g.nullable {
			typ, value = g.nullable, func(r *rand.Rand) any { return pointer(g.nullable, g.value(r), chance(r, 30)) }
		}
	case 2:
		if needed {
			options += ",notnull"
		}
	}
	d.add(c, typ, options, value)
	d.t.writable = append(d.t.writable, name)
	return d.t.sql.quote(name)
}

// pointer returns a pointer to v, or nil, of a pointer type.
func pointer(typ reflect.Type, v any, null bool) any {
	if null {
		return reflect.Zero(typ).Interface()
	}
	p := reflect.New(typ.Elem())
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

// table finishes the design.
func (d *design) table() *table {
	typ := reflect.StructOf(d.fields)
	fillIn := func(r *rand.Rand) reflect.Value {
		row := reflect.New(typ)
		for i, value := range d.fill {
			if value == nil {
				continue
			}
			if v := reflect.ValueOf(value(r)); v.IsValid() {
				row.Elem().Field(i).Set(v)
			}
		}
		return row
	}
	d.t.model = reflect.Zero(reflect.PointerTo(typ)).Interface()
	d.t.row = func(r *rand.Rand) any { return fillIn(r).Interface() }
	d.t.slice = func(r *rand.Rand, n int) any {
		rows := reflect.New(reflect.SliceOf(reflect.PointerTo(typ)))
		for range n {
			rows.Elem().Set(reflect.Append(rows.Elem(), fillIn(r)))
		}
		return rows.Interface()
	}
	d.t.values = func(r *rand.Rand) map[string]any {
		row := fillIn(r).Elem()
		values := map[string]any{}
		for i, c := range d.t.columns {
			if c.key || c.kind == kindInt {
				values[c.name] = row.Field(i + 1).Interface() // the first is the BaseModel
			}
		}
		return values
	}
	return &d.t
}
