//! The same through the C interface, which keeps copies of the texts that it gets.

use std::{
    ffi::{c_char, c_void},
    ptr,
};

use zeroize::Zeroizing;

use super::{TOKENS, disguise::Disguised};

const PUSHER_OK: i32 = 0;
const PUSHER_ERR_OPTION: i32 = 13;
const PUSHER_ERR_VALUE: i32 = 14;

unsafe extern "C" {
    fn pusher_config_new(config: *mut *mut c_void) -> i32;
    fn pusher_config_set(config: *mut c_void, option: *const c_char, value: *const c_char) -> i32;
    fn pusher_config_add(config: *mut c_void, option: *const c_char, name: *const c_char, value: *const c_char) -> i32;
    fn pusher_config_free(config: *mut c_void);
    fn pusher_client_new(config: *mut c_void, client: *mut *mut c_void) -> i32;
    fn pusher_client_free(client: *mut c_void);
}

/// Makes a client with a user, and passes a secret where a name belongs. The last error, which quotes the name, stays
/// until the thread's next one.
pub(crate) fn make_a_client(token: Disguised, misplaced: Disguised) {
    let user = user(&token);
    let (swapped, header) = (misplaced.reveal_between("", "\0"), misplaced.reveal_between("Bearer ", "\0"));
    let (swapped, header) = (Zeroizing::new(swapped), Zeroizing::new(header));
    let (mut config, mut client) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the texts end with a NUL, and the pointers are valid for a handle.
    unsafe {
        assert_eq!(pusher_config_new(&mut config), PUSHER_OK);
        let options = [(c"key", c"app-key"), (c"host", c"127.0.0.1"), (c"secret", c"secret")];
        for (option, value) in options {
            assert_eq!(pusher_config_set(config, option.as_ptr(), value.as_ptr()), PUSHER_OK);
        }
        assert_eq!(pusher_config_set(config, c"user_data".as_ptr(), user.as_ptr().cast()), PUSHER_OK);
        assert_eq!(pusher_client_new(config, &mut client), PUSHER_OK);
        pusher_client_free(client);
        let (option, name) = (c"auth_header".as_ptr(), c"X-Token".as_ptr());
        let result = pusher_config_add(config, option, header.as_ptr().cast(), name);
        assert_eq!(result, PUSHER_ERR_VALUE);
        let result = pusher_config_set(config, swapped.as_ptr().cast(), c"secret".as_ptr());
        assert_eq!(result, PUSHER_ERR_OPTION);
        pusher_config_free(config);
    }
}

/// Built without reallocation, which would leave copies behind.
fn user(token: &Disguised) -> Zeroizing<String> {
    let tokens = Zeroizing::new(token.reveal_between("\"", "\","));
    let mut user = Zeroizing::new(String::with_capacity((TOKENS + 1) * tokens.len()));
    user.push_str(r#"{"id":"7","tokens":["#);
    (0..TOKENS).for_each(|_| user.push_str(&tokens));
    user.push_str("0]}\0");
    user
}
