package ceremony

import (
	"errors"
	"testing"
)

func TestSecrets(t *testing.T) {
	for _, good := range []string{"271828", "31415926", "hunter2", "Zz!?#@", "112358"} {
		if err := CheckPIN(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "12345", "123456789", factoryPIN, factoryPUK, "000000", "654321", "87654321",
		"121212", "123123", "234567", "abcdef", "aaaaaaaa", "27 828", "27182é", "27182\x00", "098765"} {
		var refused *SecretError
		if err := CheckPIN(bad); !errors.As(err, &refused) || refused.What != "new PIN" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := CheckPUK("271828", "271828"); err == nil {
		t.Error("a PUK that is the PIN")
	}
	if err := CheckPUK("31415926", "271828"); err != nil {
		t.Error(err)
	}
}
