package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build makes programs of cmd/ in dir; root is the way to the module's folder.
// signet is made with card support only where cards is true.
func Build(dir, root string, cards bool, programs ...string) error {
	for _, program := range programs {
		cgo := "0"
		if cards && program == "signet" {
			cgo = "1"
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, program), "./cmd/"+program)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", program, err, out)
		}
	}
	return nil
}
