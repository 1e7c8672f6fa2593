# Who signs update bundles, and whom devices trust.
#
# Development: a certificate authority and a signing key made by livehal-development-keys when they are first
# needed, in LIVEHAL_KEYS_DIR. They stay there: devices keep accepting later builds of the same build directory.
# Somebody who removed them is told so, and gets no new ones unasked.
#
# Release (LIVEHAL_RELEASE = "1", kas/opt/release.yml): RAUC_KEY_FILE (a path, or a PKCS#11 URI such as
# "pkcs11:token=release;object=livehal?pin-source=/keys/pin", with RAUC_PKCS11_MODULE), RAUC_CERT_FILE and
# RAUC_KEYRING_FILE have to be given.

LIVEHAL_RELEASE ?= "0"
LIVEHAL_KEYS_DIR ?= "${TOPDIR}/livehal-development-keys"
# Another directory has keys of its own; where the build directory is is no reason to build anything again.
LIVEHAL_KEYS_DIR[vardepsexclude] = "TOPDIR"

RAUC_KEY_FILE ?= "${LIVEHAL_KEYS_DIR}/development.key.pem"
RAUC_CERT_FILE ?= "${LIVEHAL_KEYS_DIR}/development.cert.pem"
RAUC_KEYRING_FILE ?= "${LIVEHAL_KEYS_DIR}/development.ca.pem"

LIVEHAL_KEYS_TASK = "${@'' if d.getVar('LIVEHAL_RELEASE') == '1' else 'livehal-development-keys:do_generate'}"

python () {
    if d.getVar('LIVEHAL_RELEASE') != '1':
        return
    made = d.getVar('LIVEHAL_KEYS_DIR')
    for name in ('RAUC_KEY_FILE', 'RAUC_CERT_FILE', 'RAUC_KEYRING_FILE'):
        if d.getVar(name).startswith(made):
            raise bb.parse.SkipRecipe("a release is not signed by development keys: set %s" % name)
}

# livehal_signing_files(d, NAME...): fails unless each of these variables names a file that is there, or a key in a token.
def livehal_signing_files(d, *names):
    for name in names:
        path = d.getVar(name)
        if path.startswith('pkcs11:') or os.path.exists(path):
            continue
        hint = ''
        if path.startswith(d.getVar('LIVEHAL_KEYS_DIR')):
            hint = (': the development keys were made and then removed. `bitbake -c clean livehal-development-keys` has '
                    'new ones made; devices that trust the old ones refuse what those sign')
        bb.fatal('%s = "%s" is not there%s' % (name, path, hint))
