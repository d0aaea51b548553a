//go:build linux

package browser

import (
	"context"
	"os"
	"path/filepath"
)

// Firefox is the extended support release, as Debian has it.
var Firefox = Kind{
	name: "Firefox ESR", program: "firefox-esr", version: `Firefox (\d+\.\d+)`,
	pinDialog: "Password Required",
	prepare:   prepareFirefox,
}

// firefoxPreferences keep it from asking about anything but the certificate,
// and from talking to anybody but the web server.
const firefoxPreferences = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.tabs.warnOnClose", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("termsofuse.bypassNotification", true);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("trailhead.firstrun.didSeeAboutWelcome", true);
// A handshake lasts as long as its dialogs: on a slow machine longer than the
// 30 seconds after which Firefox gives it up.
user_pref("network.http.tls-handshake-timeout", 300);
`

func prepareFirefox(ctx context.Context, home, webCA, url string) ([]string, error) {
	profile := filepath.Join(home, "profile")
	if err := nssDatabase(ctx, profile, webCA); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		return nil, err
	}
	return []string{"--no-remote", "--profile", profile, "--width", "1024", "--height", "768", url}, nil
}
