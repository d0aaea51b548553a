package problem

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTypesAreDocumented holds the table of docs/api.md to the types there are.
func TestTypesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| type | status | when |")
	table, _, _ = strings.Cut(table, "###")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\d+)").FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
		status, _ := strconv.Atoi(row[2])
		if p := New(status, row[1], ""); p.Title == "" || p.Error() != p.Title || p.Type != "urn:signet:problem:"+row[1] {
			t.Errorf("%+v", p)
		}
	}
	slices.Sort(listed)
	if there := slices.Sorted(maps.Keys(titles)); !slices.Equal(listed, there) {
		t.Errorf("docs/api.md lists %q, there are %q", listed, there)
	}
}
