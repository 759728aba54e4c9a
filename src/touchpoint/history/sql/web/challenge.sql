SELECT touchpoint.view_challenge()
