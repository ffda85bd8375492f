/* hub_env.h - what the environment says of hubs, read as the Python tools (huggingface_hub) read it.
 *
 *     endpoint   HF_ENDPOINT, else https://huggingface.co
 *     cache      HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub
 *     token      HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, the file HF_HOME/token; none where
 *                HF_HUB_DISABLE_IMPLICIT_TOKEN is set
 *     HF_HOME    without it XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface
 *
 * A variable that is empty is not set; "~" in front of a path is HOME. */
#ifndef TL_IO_HUB_ENV_H
#define TL_IO_HUB_ENV_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

const char *tl_hub_endpoint(void);

int tl_hub_cache_dir(char *out, size_t size, tl_err *err);

/* The token, put into out (which is empty), and a word for where it is from (NULL: there is none).  A token file that
 * is there and cannot be read is a failure. */
int tl_hub_token(tl_buf *out, const char **from, tl_err *err);

/* HF_HUB_OFFLINE: the user wants no connection at all. */
bool tl_hub_offline(void);

#endif
